"""Reading what installed distributions say of themselves; nothing of them is imported."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from cenote.errors import UnknownPlugin
from cenote.registry.entry import BUILT_IN_DISTRIBUTION, GROUPS, Entry, canonical_name
from cenote.registry.names import nearest
from cenote.registry.points import FOREIGN, short_name

__all__ = ["Installed", "is_near_group", "read_installed", "subject_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """An installed distribution.

    Attributes:
        name: as its metadata has it.
        version: the same; empty where there is none.
        entries: what it offers in groups that are cenote's, or are called much like them.
        requires: its requirements.
        project: folder of its `pyproject.toml`, where it is installed as editable.
        problem: why its metadata cannot be read, or None.
    """

    name: str
    version: str
    entries: tuple[Entry, ...] = ()
    requires: tuple[str, ...] = ()
    project: Path | None = None
    problem: str | None = None


def read_installed(names: Sequence[str] = (), *, built_in: bool = False) -> list[Installed]:
    """Return the distributions of these names, or all that offer something to cenote.

    Args:
        names: of distributions.
        built_in: without names, return cenote itself as well.

    Raises:
        UnknownPlugin: nothing of a name is installed.
    """
    from importlib_metadata import distributions

    found: dict[str, Installed] = {}
    for distribution in distributions():
        read = _read(distribution)
        found.setdefault(canonical_name(read.name), read)  # the first on the path is the one that Python imports
    if names:
        return [_named(name, found) for name in dict.fromkeys(map(canonical_name, names))]
    offering = [read for read in found.values() if read.entries]
    if not built_in:
        offering = [read for read in offering if canonical_name(read.name) != BUILT_IN_DISTRIBUTION]
    return sorted(offering, key=lambda read: read.name.lower())


def subject_of(entry: Entry) -> str:
    """Return how an entry is called: `group/name`, the group without `cenote.`."""
    return f"{short_name(entry.group)}/{entry.name}"


def is_near_group(group: str) -> bool:
    """Tell whether a group is one of cenote's, or is meant to be."""
    from difflib import get_close_matches

    if group == "cenote" or group.startswith("cenote.") or group in FOREIGN:
        return True
    return bool(get_close_matches(group.lower().replace("_", "."), GROUPS, n=1, cutoff=0.85))


def _named(name: str, found: dict[str, Installed]) -> Installed:
    if name not in found:
        offering = [read.name for read in found.values() if read.entries]
        text = f"No distribution {name!r} is installed. Those that offer something: {nearest(name, offering)}."
        raise UnknownPlugin(text, plugin=name, distribution=name)
    return found[name]


def _read(distribution: Any) -> Installed:
    folder = Path(str(getattr(distribution, "_path", "unknown"))).name
    name = folder.partition("-")[0]  # what an installer makes of the name
    try:
        name = distribution.metadata.get("Name") or name
        version = distribution.metadata.get("Version") or ""
        points = [point for point in distribution.entry_points if is_near_group(point.group)]
        entries = (Entry(p.group, p.name, p.value.partition("[")[0].strip(), name, version) for p in points)
        return Installed(
            name=name,
            version=version,
            entries=tuple(entries),
            requires=tuple(distribution.requires or ()),
            project=_project(distribution) if points else None,
            problem=None if version else f"{folder} names no version",
        )
    except Exception as exc:  # metadata is written by anybody; whatever is wrong with it is what is reported
        return Installed(name=name, version="", problem=f"{type(exc).__name__}: {exc}")


def _project(distribution: Any) -> Path | None:
    """Return the folder of an editable installation. Source: PEP 610, `direct_url.json`."""
    text = distribution.read_text("direct_url.json")
    origin: dict[str, Any] = json.loads(text) if text else {}
    if not origin.get("dir_info", {}).get("editable"):
        return None
    return Path(url2pathname(urlsplit(origin["url"]).path))
