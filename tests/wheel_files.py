"""Compare what wheels installed with the checkout that they were built from: `python wheel_files.py ROOT`.

`.ci/run` tests the whole suite on the checkout. Installed packages that hold the same bytes, offer the same entry
points and have the same dependencies give the same results, so that on wheels only those tests are run again that look
at an installation: the command line, the registry of plugins, and the distributions' own.
"""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import distribution, version
from importlib.util import find_spec
from pathlib import Path


def main(root: Path) -> None:
    """Compare all distributions of a checkout; an exception tells the first difference."""
    count = 0
    for settings in [root / "pyproject.toml", *sorted(root.glob("*/*/pyproject.toml"))]:
        project = tomllib.loads(settings.read_text())["project"]
        sources = {"cenote": root / "core"} if settings.parent == root else _packages(settings.parent)
        for package, source in sources.items():
            count += _compare(package, source)
        _compare_entry_points(project)
    pins = [line.split("==") for line in (root / "constraints.txt").read_text().splitlines() if "==" in line]
    others = [name for name, wanted in pins if _installed(name) not in ("", wanted, wanted.partition("+")[0])]
    if others:
        raise SystemExit(f"Not the pinned versions: {', '.join(others)}.")
    print(f"{count} installed files are those of the checkout; entry points and pinned versions are too.")


def _packages(folder: Path) -> dict[str, Path]:
    return {path.parent.name: path.parent for path in folder.glob("src/*/__init__.py")}


def _compare(package: str, source: Path) -> int:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{package} is not installed.")
    home = Path(spec.origin).parent
    if home.is_relative_to(source.parent):
        raise SystemExit(f"{package} is imported from the checkout, {home}.")
    wanted, found = _files(source), _files(home)
    if wanted.keys() != found.keys():
        raise SystemExit(f"{package}: only on one side are {sorted(wanted.keys() ^ found.keys())}.")
    changed = sorted(name for name, data in wanted.items() if found[name] != data)
    if changed:
        raise SystemExit(f"{package}: these files are not those of the checkout: {changed}.")
    return len(wanted)


def _files(folder: Path) -> dict[str, bytes]:
    """Return the files of a package by name; what is compiled while a wheel is built has no counterpart."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".pyc", ".so")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def _compare_entry_points(project: dict[str, object]) -> None:
    name, groups = project["name"], project.get("entry-points", {})
    assert isinstance(name, str)
    assert isinstance(groups, dict)
    wanted = {(group, key, value) for group, points in groups.items() for key, value in points.items()}
    installed = distribution(name).entry_points
    found = {(point.group, point.name, point.value) for point in installed if point.group != "console_scripts"}
    if wanted != found:
        raise SystemExit(f"{name}: entry points differ: {sorted(wanted ^ found)}.")


def _installed(name: str) -> str:
    try:
        return version(name).partition("+")[0]
    except ImportError:
        return ""


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
