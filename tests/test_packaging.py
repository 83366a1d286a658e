"""The distribution: what pyproject.toml says, what the wheel holds, and what CI pins."""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
CORE = ROOT / "core"
#: Distributions that are folders of this repository, and so are never pinned.
PLUGIN_FILES = sorted([*ROOT.glob("plugins/*/pyproject.toml"), *ROOT.glob("io_processors/*/pyproject.toml")])


def settings() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def package_folders() -> set[str]:
    folders = {path.parent.relative_to(CORE) for path in CORE.rglob("*.py")}
    return {".".join(("cenote", *folder.parts)) for folder in folders}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from a copy, because a build leaves folders beside the sources."""
    copy = tmp_path_factory.mktemp("wheel") / "sources"
    shutil.copytree(CORE, copy / "core", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(copy / "dist"), str(copy)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=copy)
    assert result.returncode == 0, result.stdout + result.stderr
    (path,) = (copy / "dist").glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_package_list_names_every_folder_with_code() -> None:
    listed = settings()["tool"]["setuptools"]["packages"]
    assert len(listed) == len(set(listed))
    assert set(listed) == package_folders()


def test_every_folder_with_code_is_a_package() -> None:
    assert [folder for folder in package_folders() if not _init_of(folder).is_file()] == []


def _init_of(package: str) -> Path:
    return CORE.joinpath(*package.split(".")[1:], "__init__.py")


def test_the_wheel_holds_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    files = {path.relative_to(CORE) for path in CORE.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    wanted = {f"cenote/{path.as_posix()}" for path in files}
    assert wanted - set(wheel.namelist()) == set()


def test_the_wheel_is_typed_licensed_and_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    assert "cenote/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"cenote"}


def test_every_entry_point_names_a_module_of_the_wheel(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    points = settings()["project"]["entry-points"]
    modules = {target.partition(":")[0].replace(".", "/") for group in points.values() for target in group.values()}
    assert {name for name in modules if not {f"{name}.py", f"{name}/__init__.py"} & names} == set()


def test_the_licence_is_the_unmodified_text_of_apache_2() -> None:
    digest = hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest()
    assert digest == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


def test_torch_is_pinned_without_a_build_tag() -> None:
    assert pins()["torch"] == "2.13.0"
    assert [version for version in pins().values() if "+" in version] == []


def own_plugins() -> list[str]:
    return [canonicalize_name(tomllib.loads(path.read_text())["project"]["name"]) for path in PLUGIN_FILES]


def requirements_for_ci() -> dict[str, list[Requirement]]:
    """Everything that the demo and test extras and the plugins pull in, from the metadata of what is installed."""
    found: dict[str, list[Requirement]] = {}
    queue = [Requirement("cenote[demo,test]"), *map(Requirement, own_plugins())]
    seen = set()
    while queue:
        requirement = queue.pop()
        name = canonicalize_name(requirement.name)
        found.setdefault(name, []).append(requirement)
        for extra in ("", *requirement.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            wanted = map(Requirement, importlib.metadata.requires(name) or ())
            queue += [item for item in wanted if item.marker is None or item.marker.evaluate({"extra": extra})]
    return found


def test_constraints_pin_everything_that_ci_installs_and_fit_the_requirements() -> None:
    pinned = pins()
    own = {"cenote", *own_plugins()}
    wanted = {name: found for name, found in requirements_for_ci().items() if name not in own}
    # torch's CUDA wheel pins its libraries by itself; its CPU wheel has none.
    unpinned = {name for name in set(wanted) - set(pinned) if not name.startswith(("nvidia-", "cuda-"))}
    assert unpinned == set()
    misfits = [
        str(r) for name, found in wanted.items() if name in pinned for r in found if pinned[name] not in r.specifier
    ]
    assert misfits == []


@pytest.mark.parametrize("path", [ROOT / "pyproject.toml", *PLUGIN_FILES], ids=lambda path: path.parent.name)
def test_every_dependency_says_why_it_is_there(path: Path) -> None:
    text = path.read_text()
    project = tomllib.loads(text)["project"]
    extras = project.get("optional-dependencies", {}).values()
    wanted = [*project.get("dependencies", ()), *(item for extra in extras for item in extra)]
    silent = [item for item in wanted if not re.search(rf'"{re.escape(item)}".*#.*\w', text)]
    assert silent == []
