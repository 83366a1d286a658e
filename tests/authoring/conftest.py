"""Installed plugins that exist only as metadata and modules in a temporary folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import pytest

from cenote.authoring.check import check_distributions
from cenote.authoring.check_metadata import check_metadata
from cenote.authoring.findings import Finding
from cenote.authoring.installed import read_installed

#: Names that plugins may not take.
RESERVED = {"cenote.commands": frozenset({"serve"})}

#: Subject, check and text of what fails.
Fault: TypeAlias = tuple[str, str, str]


def failed(findings: Iterable[Finding]) -> list[Fault]:
    """Return what of findings is wrong."""
    return [(item.subject, item.check, item.text) for item in findings if item.outcome == "failed"]


class Site:
    """A folder of installed distributions that this process and those that it starts can see."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(
        self,
        name: str,
        points: Mapping[str, Mapping[str, str]],
        modules: Mapping[str, str] | None = None,
        *,
        version: str = "0.1.0",
        requires: str = "cenote>=0.1",
    ) -> None:
        """Write the metadata that pip would write, and the modules by their dotted names."""
        info = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        (info / "METADATA").write_text("\n".join([*lines, *([f"Requires-Dist: {requires}"] if requires else []), ""]))
        sections = [
            f"[{group}]\n" + "".join(f"{n} = {v}\n" for n, v in found.items()) for group, found in points.items()
        ]
        (info / "entry_points.txt").write_text("\n".join(sections))
        for module, source in (modules or {}).items():
            path = self.folder.joinpath(*module.split(".")).with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)

    def check(self, *names: str, seconds: float = 60, conformance: bool = False) -> list[Finding]:
        """Check distributions of these names, without the conformance kit unless asked for."""
        return list(check_distributions(names, seconds=seconds, conformance=conformance, reserved=RESERVED))

    def faults(self, *names: str, seconds: float = 60) -> list[Fault]:
        """Return subject, check and text of what fails."""
        return failed(self.check(*names, seconds=seconds))

    def faults_of_metadata(self, name: str) -> list[Fault]:
        """Return the same of what the metadata says, without the process that imports things."""
        everything = read_installed(built_in=True)
        (installed,) = (found for found in everything if found.name == name)
        return failed(check_metadata(installed, everything, RESERVED))


@contextmanager
def _site(folder: Path) -> Iterator[Site]:
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setenv("PYTHONPATH", str(folder))
        yield Site(folder)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An empty folder on the import path of this process and of those that it starts."""
    with _site(tmp_path / "site") as site:
        yield site


@pytest.fixture(scope="module")
def faults_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Fault]]:
    """Return what installs one distribution, says what fails, and takes it away: for many tests of one check."""

    def check(points: Mapping[str, Mapping[str, str]], modules: Mapping[str, str]) -> list[Fault]:
        with _site(tmp_path_factory.mktemp("sites") / "site") as site:
            site.install("cenote-bad", points, modules)
            return site.faults("cenote-bad")

    return check
