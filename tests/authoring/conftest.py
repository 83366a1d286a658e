"""Installed plugins that exist only as metadata and modules in a temporary folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from cenote.authoring.check import check_distributions
from cenote.authoring.findings import Finding


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
        reserved = {"cenote.commands": frozenset({"serve"})}
        return list(check_distributions(names, seconds=seconds, conformance=conformance, reserved=reserved))

    def faults(self, *names: str, seconds: float = 60) -> list[tuple[str, str, str]]:
        """Return subject, check and text of what fails."""
        found = self.check(*names, seconds=seconds)
        return [(item.subject, item.check, item.text) for item in found if item.outcome == "failed"]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """An empty folder on the import path of this process and of those that it starts."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return Site(folder)
