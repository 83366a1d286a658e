"""Every plugin of this repository has the shape that `make setup`, `make check` and CI rely on."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

import cenote

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = sorted(
    path.parent for pattern in ("plugins/*", "io_processors/*") for path in ROOT.glob(f"{pattern}/pyproject.toml")
)
PACKAGES = {f"cenote_{folder.name}" for folder in FOLDERS}

pytestmark = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


def settings(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text())


def imports(top: Path) -> Iterator[tuple[Path, str]]:
    """Yield each module that the files below a folder import, with the names taken from it."""
    for path in top.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((path, f"{node.module}.{alias.name}") for alias in node.names)


def test_a_plugin_has_its_files(folder: Path) -> None:
    package = folder / "src" / f"cenote_{folder.name}"
    for file in (folder / "README.md", package / "__init__.py", package / "py.typed"):
        assert file.is_file()
    assert list((folder / "tests").glob("test_*.py"))
    assert [path.name for path in (folder / "src").iterdir() if not path.name.endswith(".egg-info")] == [package.name]


def test_a_plugin_is_named_after_its_folder_and_fits_this_core(folder: Path) -> None:
    project = settings(folder)["project"]
    assert project["name"] == f"cenote-{folder.name.replace('_', '-')}"
    (core,) = (found for item in project["dependencies"] if (found := Requirement(item)).name == "cenote")
    major, minor = cenote.__version__.split(".")[:2]
    assert str(core.specifier) == f"<{major}.{int(minor) + 1},>={major}.{minor}"


def test_a_plugin_imports_only_what_the_core_offers(folder: Path) -> None:
    others = PACKAGES - {f"cenote_{folder.name}"}
    for path, name in imports(folder):
        parts = name.split(".")
        assert parts[0] not in others, f"{path} imports {name}"
        private = [part for part in parts if part.startswith("_") and not part.startswith("__")]
        assert not (parts[0] == "cenote" and private), f"{path} imports {name}"


def test_the_direction_of_imports_is_checked(folder: Path) -> None:
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    package = f"cenote_{folder.name}"
    assert package in linter["root_packages"]
    assert any(package in layer.split(" | ") for contract in linter["contracts"] for layer in contract["layers"])
