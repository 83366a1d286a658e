"""Finding what installed distributions offer, by their metadata alone."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from cenote.registry.entry import Entry, canonical_name
from cenote.registry.metadata import Header, read_header
from cenote.registry.points import FOREIGN

if TYPE_CHECKING:
    from importlib_metadata import EntryPoint, EntryPoints

__all__ = ["entries_of", "installed_entries"]

_log = logging.getLogger(__name__)

#: A file of entry points that has none of these words offers nothing to cenote; it is not parsed.
_WORDS = ("[cenote", *(f"[{group}" for group in FOREIGN))


class _Distribution(Protocol):
    @property
    def entry_points(self) -> EntryPoints: ...
    def read_text(self, filename: str, /) -> str | None: ...


def installed_entries() -> tuple[Entry, ...]:
    """Read the entry points of every distribution on `sys.path`, importing none of them.

    A distribution that is found twice counts once, where it comes first on the path, as the import system does.
    """
    # Imported here: 29 ms that `import cenote` need not pay.
    from importlib_metadata import distributions

    found: dict[str, tuple[Entry, ...]] = {}
    for distribution in distributions():
        try:
            entries = entries_of(distribution)
        except Exception as exc:  # one unreadable installation must not hide all others
            _log.warning("Skipped %s, whose entry points cannot be read: %s", _header(distribution).source, exc)
        else:
            if entries:
                found.setdefault(canonical_name(entries[0].distribution), entries)
    return tuple(entry for entries in found.values() for entry in entries)


def entries_of(distribution: _Distribution) -> tuple[Entry, ...]:
    """Return what one distribution offers to cenote; without readable METADATA it is called `unknown`."""
    text = distribution.read_text("entry_points.txt")
    if text is None or not any(word in text for word in _WORDS):
        return ()  # most installed distributions
    points = [point for point in distribution.entry_points if _is_ours(point.group)]
    return tuple(_entries(points, distribution)) if points else ()


def _entries(points: Iterable[EntryPoint], distribution: _Distribution) -> Iterable[Entry]:
    header = _header(distribution)
    record = distribution.read_text("RECORD") or ""
    for point in points:
        # What follows the attribute is a list of extras, which says nothing about where the object is.
        value = point.value.partition("[")[0].strip()
        yield Entry(point.group, point.name, value, header.name, header.version, header.needs, record)


def _is_ours(group: str) -> bool:
    return group == "cenote" or group.startswith("cenote.") or group in FOREIGN


def _header(distribution: _Distribution) -> Header:
    try:
        return read_header(distribution.read_text("METADATA") or distribution.read_text("PKG-INFO"))
    except Exception:  # metadata file unreadable: the entry points may still be good
        return Header()
