"""Finding what installed distributions offer, by their metadata alone."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from cenote.registry.entry import Entry, canonical_name

if TYPE_CHECKING:
    from importlib_metadata import EntryPoint

__all__ = ["entries_of", "installed_entries"]

_log = logging.getLogger(__name__)


class _Distribution(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...


def installed_entries() -> tuple[Entry, ...]:
    """Read the entry points of every distribution on `sys.path`, importing none of them.

    A distribution that is found twice counts once, where it comes first on the path, as the import system does.
    """
    # Imported here: 29 ms that `import cenote` need not pay.
    from importlib_metadata import distributions

    found: dict[str, tuple[Entry, ...]] = {}
    for distribution in distributions():
        try:
            offered = [point for point in distribution.entry_points if _is_ours(point.group)]
            if offered:
                entries = entries_of(offered, distribution)
                found.setdefault(canonical_name(entries[0].distribution), entries)
        except Exception as exc:  # one unreadable installation must not hide all others
            _log.warning("skipped the unreadable metadata of an installed distribution: %s", exc)
    return tuple(entry for entries in found.values() for entry in entries)


def entries_of(points: Iterable[EntryPoint], distribution: _Distribution | None = None) -> tuple[Entry, ...]:
    """Turn entry points of one distribution into entries; without a distribution it is called `unknown`."""
    name, version = _identity(distribution)
    # What follows the attribute is a list of extras, which says nothing about where the object is.
    return tuple(Entry(p.group, p.name, p.value.partition("[")[0].strip(), name, version) for p in points)


def _is_ours(group: str) -> bool:
    return group == "cenote" or group.startswith("cenote.")


def _identity(distribution: _Distribution | None) -> tuple[str, str]:
    if distribution is None:
        return "unknown", ""
    try:
        return distribution.name or "unknown", distribution.version or ""
    except Exception:  # metadata file missing: the entry points may still be good
        return "unknown", ""
