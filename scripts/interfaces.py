"""Interfaces as Markdown: signatures exactly as the source has them, and their docstrings."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

__all__ = ["filled", "markdown", "public_import", "render", "source_tree"]

_WIDTH = 118
_SECTION = re.compile(r"(Args|Attributes|Returns|Raises|Yields):")
_ITEM = re.compile(r" {4}(\*{0,2}[\w.]+): (.*)")
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def public_import(path: str) -> str:
    """Return the line that imports `package.module:attribute`, from the package that offers it where one does."""
    module, _, name = path.partition(":")
    package = module.rpartition(".")[0]
    home = package if name in _exports(package) else module
    return f"from {home} import {name}"


def render(path: str) -> str:
    """Return one interface: a class, a function, a type, or a module's hooks.

    Raises:
        LookupError: the module has no such name.
    """
    module, _, name = path.partition(":")
    if name == "HOOKS":
        hooks = [_hook(node) for node in source_tree(module).body if _is_hook(node)]
        return "\n\n".join([markdown(source_tree(module)), *hooks])
    for node in source_tree(module).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return _class(node, path)
        if isinstance(node, _Function) and node.name == name:
            return f"### `{name}`\n\n{_code([public_import(path), '', *_signature(node)])}\n\n{markdown(node)}"
        if isinstance(node, ast.Assign | ast.AnnAssign) and name in _targets(node):
            source = ast.get_source_segment(_source(module), node) or ""
            text = filled(" ".join(_comment_above(module, node)))
            return f"### `{name}`\n\n{_code([public_import(path), '', source])}\n\n{text}"
    raise LookupError(f"{module} has no {name}")


@cache
def _source(module: str) -> str:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise LookupError(f"there is no module {module}")
    return Path(spec.origin).read_text()


@cache
def source_tree(module: str) -> ast.Module:
    """Return the parsed source of a module, which is not imported."""
    return ast.parse(_source(module))


def _exports(package: str) -> tuple[str, ...]:
    for node in source_tree(package).body:
        if isinstance(node, ast.Assign) and "__all__" in _targets(node):
            return tuple(ast.literal_eval(node.value))
    return ()


def _targets(node: ast.Assign | ast.AnnAssign) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _is_hook(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and any("hookspec" in ast.unparse(item) for item in node.decorator_list)


def _hook(node: ast.stmt) -> str:
    assert isinstance(node, ast.FunctionDef)
    return f"### `{node.name}`\n\n{_code(list(_signature(node)))}\n\n{markdown(node)}"


def _class(node: ast.ClassDef, path: str) -> str:
    bases = f"({', '.join(ast.unparse(base) for base in node.bases)})" if node.bases else ""
    marks = [f"@{ast.unparse(mark)}" for mark in node.decorator_list]
    lines = [public_import(path), "", *marks, f"class {node.name}{bases}:"]
    methods = [item for item in node.body if isinstance(item, _Function) and _is_public(item.name)]
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and _is_public(_targets(item)[0]):
            comments = [f"#: {line}" for line in _comment_above(path.partition(":")[0], item)]
            lines += [f"    {line}" for line in (*comments, ast.unparse(item))]
    for method in methods:
        lines += [f"    @{ast.unparse(mark)}" for mark in method.decorator_list]
        lines += [f"    {line}" for line in _signature(method)]
    parts = [f"### `{node.name}`", _code(lines), markdown(node)]
    parts += [
        f"#### `{node.name}.{method.name}`\n\n{markdown(method)}" for method in methods if ast.get_docstring(method)
    ]
    return "\n\n".join(part for part in parts if part)


def _is_public(name: str) -> bool:
    return not name.startswith("_") or name in ("__init__", "__call__")


def _signature(node: _Function) -> Iterator[str]:
    """Yield the line of a definition, or its lines where it is long."""
    start = f"{'async ' if isinstance(node, ast.AsyncFunctionDef) else ''}def {node.name}("
    end = f"){'' if node.returns is None else f' -> {ast.unparse(node.returns)}'}: ..."
    arguments = list(_arguments(node.args))
    if len(start + ", ".join(arguments) + end) <= _WIDTH - 4:
        yield start + ", ".join(arguments) + end
        return
    yield start
    for argument in arguments:
        yield f"    {argument},"
    yield end


def _arguments(given: ast.arguments) -> Iterator[str]:
    """Yield the arguments of a definition as they are written, with the marks between their kinds."""
    positional = [*given.posonlyargs, *given.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(given.defaults))
    defaults += given.defaults
    for place, (argument, default) in enumerate(zip(positional, defaults, strict=True), start=1):
        yield _argument(argument, default)
        if place == len(given.posonlyargs):
            yield "/"
    if given.vararg is not None:
        yield f"*{_argument(given.vararg, None)}"
    elif given.kwonlyargs:
        yield "*"
    for argument, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        yield _argument(argument, default)
    if given.kwarg is not None:
        yield f"**{_argument(given.kwarg, None)}"


def _argument(argument: ast.arg, default: ast.expr | None) -> str:
    if default is None:
        return ast.unparse(argument)
    return f"{ast.unparse(argument)} = {ast.unparse(default)}"


def _code(lines: list[str]) -> str:
    return "```python\n" + "\n".join(lines) + "\n```"


def _comment_above(module: str, node: ast.stmt) -> list[str]:
    """Return the lines of the `#:` comment in front of a statement."""
    lines = [line.strip() for line in _source(module).splitlines()[: node.lineno - 1]]
    found: list[str] = []
    while lines and lines[-1].startswith("#:"):
        found.insert(0, lines.pop().removeprefix("#:").strip())
    return found


def markdown(node: ast.Module | ast.ClassDef | _Function) -> str:
    """Return a docstring as Markdown."""
    parts: list[str] = []
    heading = ""
    for block in re.split(r"\n\s*\n", inspect.cleandoc(ast.get_docstring(node, clean=False) or "")):
        found = _SECTION.fullmatch(block.partition("\n")[0])
        if found is None:
            parts.append(_list(block) if block.startswith("- ") else filled(block))
            continue
        heading, body = found[1], block.partition("\n")[2]
        parts.append(f"*{heading}*\n\n{_items(body)}" if _ITEM.match(body) else f"*{heading}* {filled(body)}")
    return "\n\n".join(part for part in parts if part)


def _list(block: str) -> str:
    return "\n".join(f"* {filled(item, '  ')}" for item in re.split(r"(?:^|\n)- ", block)[1:])


def _items(body: str) -> str:
    items: list[list[str]] = []
    for line in body.splitlines():
        found = _ITEM.fullmatch(line)
        if found is None:
            items[-1].append(line.strip())
        else:
            items.append([f"* `{found[1]}`:", found[2]])
    return "\n".join(filled(" ".join(item), "  ") for item in items)


def filled(text: str, indent: str = "") -> str:
    """Wrap a paragraph, its lines but the first indented."""
    return textwrap.fill(
        " ".join(text.split()), _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
