"""The pages of docs/plugins/: every extension point has one, and what it shows of an interface is what is there."""

from __future__ import annotations

import ast
import inspect
import re
import runpy
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from cenote.registry.points import POINTS, ExtensionPoint

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "plugins"
_PLUGINS = ("plugins/*/pyproject.toml", "io_processors/*/pyproject.toml")
_CODE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


_Function = ast.FunctionDef | ast.AsyncFunctionDef
#: Name, kind and annotation of each parameter, whether it may be left out; last what is returned.
_Form = list[tuple[str, Any, str, bool]]


def interface_of(point: ExtensionPoint) -> str:
    text = (PAGES / "points" / f"{point.short_name}.md").read_text()
    return text.partition("<!-- generated: interface -->")[2].partition("<!-- end -->")[0]


def shown(point: ExtensionPoint) -> Iterator[tuple[Any, ast.stmt]]:
    """Yield each live object of a page's interface with its definition as shown; hooks have tests of their own."""
    for code in _CODE.findall(interface_of(point)):
        *origins, definition = ast.parse(code).body
        for origin in origins:
            assert isinstance(origin, ast.ImportFrom)
            yield getattr(import_module(str(origin.module)), origin.names[0].name), definition


def classes(point: ExtensionPoint) -> Iterator[tuple[type, ast.ClassDef]]:
    for live, definition in shown(point):
        if isinstance(definition, ast.ClassDef):
            yield live, definition


def form(function: Any) -> _Form:
    signature = inspect.signature(function)
    parameters = signature.parameters.values()
    found = [(item.name, item.kind, _text(item.annotation), item.default is not item.empty) for item in parameters]
    return [*found, ("return", None, _text(signature.return_annotation), False)]


def _text(annotation: Any) -> str:
    return "" if annotation is inspect.Signature.empty else ast.unparse(ast.parse(str(annotation)))


def shown_form(definition: _Function) -> _Form:
    """Return the form of a definition on a page, whose defaults are not looked at."""
    for defaults in (definition.args.defaults, definition.args.kw_defaults):
        defaults[:] = [default and ast.Constant(0) for default in defaults]
    definition.decorator_list = []
    space: dict[str, Any] = {}
    exec(f"from __future__ import annotations\n{ast.unparse(definition)}", space)
    return form(space[definition.name])


def test_generated_parts_are_in_step_with_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    documents = runpy.run_path(str(ROOT / "scripts" / "extension_pages.py"))["documents"]()
    stale = [str(path.relative_to(ROOT)) for path, text in documents.items() if path.read_text() != text]
    assert stale == [], "run: make docs"


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.group)
def test_every_extension_point_has_a_user_in_this_repository(point: ExtensionPoint) -> None:
    files = [ROOT / "pyproject.toml", *(path for pattern in _PLUGINS for path in ROOT.glob(pattern))]
    groups = [tomllib.loads(path.read_text())["project"].get("entry-points", {}) for path in files]
    assert any(entries.get(point.group) for entries in groups)


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.group)
def test_signatures_on_a_page_are_those_of_the_code(point: ExtensionPoint) -> None:
    assert list(shown(point))
    for live, definition in shown(point):
        if isinstance(definition, _Function):
            assert shown_form(definition) == form(live)
    for kind, definition in classes(point):
        for item in definition.body:
            if isinstance(item, _Function):
                real = inspect.getattr_static(kind, item.name)
                real = getattr(real, "fget", None) or getattr(real, "__func__", real)
                assert shown_form(item) == form(real), f"{kind.__name__}.{item.name}"


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.group)
def test_a_page_leaves_out_nothing_of_an_interface(point: ExtensionPoint) -> None:
    for kind, definition in classes(point):
        there = {item.name for item in definition.body if isinstance(item, _Function)}
        there |= {ast.unparse(item.target) for item in definition.body if isinstance(item, ast.AnnAssign)}
        own = [name for name, item in vars(kind).items() if inspect.isroutine(item) or isinstance(item, property)]
        public = {name for name in (*own, *inspect.get_annotations(kind)) if not name.startswith("_")}
        assert public - there == set(), kind.__name__


def test_every_hook_is_on_its_page_with_its_exact_arguments() -> None:
    from cenote.hooks import spec

    (point,) = (point for point in POINTS if point.group == "cenote")
    hooks = {name: hook for name, hook in vars(spec).items() if name.startswith("cenote_")}
    assert hooks
    page = interface_of(point)
    for name, hook in hooks.items():
        arguments = ", ".join(f"{item.name}: {item.annotation}" for item in inspect.signature(hook).parameters.values())
        assert f"\ndef {name}({arguments}) -> " in page
        assert inspect.cleandoc(hook.__doc__ or "").partition("\n")[0] in page
