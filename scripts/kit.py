"""Classes of the conformance kit as Markdown: attributes, capabilities, fixtures, and what they test."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from interfaces import filled, markdown, public_import, source_tree

__all__ = ["render_kit"]

_Found = tuple[str, ast.ClassDef]


def render_kit(path: str) -> str:
    """Return one class with what it inherits from the kit.

    Raises:
        LookupError: the module has no such class.
    """
    module, _, name = path.partition(":")
    line = list(_lineage(module, name))
    methods = [item for _, node in line for item in node.body if isinstance(item, ast.FunctionDef)]
    parts = [f"### `{name}`", f"`{public_import(path)}`", markdown(line[0][1])]
    parts += [markdown(node) for _, node in line[1:] if "Attributes:" in (ast.get_docstring(node) or "")]
    named = [item for item in methods if item.name == "capabilities"]
    parts += [f"*Capabilities.* {markdown(item)}" for item in named[:1]]
    oldest_first = [item for _, node in reversed(line) for item in node.body if isinstance(item, ast.FunctionDef)]
    fixtures = {item.name: _sentence(item) for item in oldest_first if _marks(item, "fixture")}
    parts.append("*Fixtures*\n\n" + _bullets([f"`{key}`: {text}" for key, text in fixtures.items()]))
    tests = {item.name: _test(item) for item in methods if item.name.startswith("test_")}
    parts.append("*Tests*\n\n" + _bullets(list(tests.values())))
    return "\n\n".join(parts)


def _lineage(module: str, name: str) -> Iterator[_Found]:
    """Yield a class and the classes of the kit that it inherits from, each once."""
    seen: set[str] = set()
    waiting = [(module, name)]
    while waiting:
        home, wanted = waiting.pop(0)
        if wanted in seen or not home.startswith("cenote.testing"):
            continue
        seen.add(wanted)
        tree = source_tree(home)
        node = next((item for item in tree.body if isinstance(item, ast.ClassDef) and item.name == wanted), None)
        if node is None:
            raise LookupError(f"{home} has no class {wanted}")
        yield home, node
        waiting += [(_home(tree, home, base.id), base.id) for base in node.bases if isinstance(base, ast.Name)]


def _home(tree: ast.Module, module: str, name: str) -> str:
    """Return the module that a class of this name comes from."""
    for item in tree.body:
        if isinstance(item, ast.ImportFrom) and name in [alias.name for alias in item.names]:
            return item.module or module
    return module


def _marks(item: ast.FunctionDef, name: str) -> bool:
    return any(name in ast.unparse(mark) for mark in item.decorator_list)


def _sentence(item: ast.FunctionDef) -> str:
    return " ".join((ast.get_docstring(item) or "").split())


def _test(item: ast.FunctionDef) -> str:
    needs = [mark for mark in item.decorator_list if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "needs"]
    names = [ast.literal_eval(argument) for mark in needs for argument in mark.args]
    wanted = f" (needs {', '.join(names)})" if names else ""
    return item.name.removeprefix("test_").replace("_", " ") + wanted


def _bullets(items: Sequence[str]) -> str:
    return "\n".join(filled(f"* {item}", "  ") for item in items)
