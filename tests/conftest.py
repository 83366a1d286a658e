"""Fixtures of several test folders."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

#: Files that take long for the number of their tests, the longest first.
_LONG = (
    "kernels/test_triton.py",
    "server/test_serve_command.py",
    "testing/test_kit.py",
    "conformance/test_real_model.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files, so that none is left to one process at the end."""
    folder = Path(__file__).parent
    rank = {folder / name: place for place, name in enumerate(_LONG)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


def pytest_collection_finish() -> None:
    """Let the garbage collector look at what tests make only, and not at all tests and modules each time.

    It is then so fast that it runs often, and models that ended are freed soon.
    """
    gc.collect()
    gc.freeze()


class FakeSite:
    """A folder of installed distributions, and fresh processes that see it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(
        self,
        name: str,
        version: str,
        entry_points: Mapping[str, Mapping[str, str]],
        modules: Mapping[str, str] | None = None,
        requires: Sequence[str] = (),
    ) -> None:
        """Write the metadata that pip would write, with these `Requires-Dist` lines, and the modules."""
        info = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        needs = "".join(f"Requires-Dist: {line}\n" for line in requires)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}")
        lines = []
        for group, points in entry_points.items():
            lines += [f"[{group}]", *(f"{key} = {value}" for key, value in points.items()), ""]
        (info / "entry_points.txt").write_text("\n".join(lines))
        for module, source in (modules or {}).items():
            (self.folder / f"{module}.py").write_text(source)

    def run(
        self, arguments: Sequence[str], *, timeout: float = 60, stdin: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run this Python with the folder on its path, away from the checkout, and collect what it prints."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("CENOTE_")}
        environment = {**inherited, "PYTHONPATH": str(self.folder), "COLUMNS": "200", "NO_COLOR": "1", **variables}
        return subprocess.run(
            [sys.executable, *arguments],
            capture_output=True,
            text=True,
            input=stdin,
            timeout=timeout,
            env=environment,
            cwd=self.folder,
            check=False,
        )

    def cenote(
        self, *arguments: str, timeout: float = 60, stdin: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line."""
        code = "from cenote.cli import main; main()"
        return self.run(["-c", code, *arguments], timeout=timeout, stdin=stdin, **variables)

    def python(self, code: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program text."""
        return self.run(["-c", code], **variables)


@pytest.fixture
def site(tmp_path: Path) -> FakeSite:
    """An empty folder on the import path of fresh processes."""
    folder = tmp_path / "site"
    folder.mkdir()
    return FakeSite(folder)


@pytest.fixture
def make_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Write a module that this process can import until the test ends."""
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))

    def write(name: str, source: str) -> None:
        (folder / f"{name}.py").write_text(source)
        monkeypatch.delitem(sys.modules, name, raising=False)

    return write
