"""Whether the running cenote is one that a plugin's distribution demands."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cenote.errors import PluginIncompatible
from cenote.registry.entry import Entry

__all__ = ["Mismatch", "find_mismatch", "incompatible"]

_PLAIN = re.compile(r"\d+(\.\d+)*")
_CLAUSE = re.compile(r"(?P<operator>~=|===|==|!=|<=|>=|<|>)(?P<version>[^,\s]+)")
#: How two versions compare (-1, 0, 1: running against demanded) for the operator to hold.
_HOLDS = {"<": (-1,), "<=": (-1, 0), ">": (1,), ">=": (0, 1), "==": (0,), "!=": (-1, 1)}
#: Operators that an older version than the demanded one fails.
_UPWARDS = (">", ">=", "==", "===", "~=")


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A demand that the running version does not meet.

    Attributes:
        demanded: the clauses that fail, as in `<0.2`.
        running: version of the running cenote.
        wants_newer: whether a newer cenote would meet them.
    """

    demanded: str
    running: str
    wants_newer: bool

    def __str__(self) -> str:
        return f"needs cenote {self.demanded}, found {self.running}"


def find_mismatch(needs: str, running: str) -> Mismatch | None:
    """Compare a range with a version; None where it holds, as every empty one does.

    Args:
        needs: clauses joined with commas, such as `>=0.1,<0.2`.
        running: version of the running cenote; a pre-release counts by its place in the order.

    Raises:
        ValueError: the range is not one of PEP 440.
    """
    failing = [clause for clause in needs.split(",") if clause and not _clause_holds(clause, running)]
    if not failing:
        return None
    match = _CLAUSE.fullmatch(failing[0])
    # Equal numbers fail such a clause where the running version is a pre-release of the demanded one.
    wants_newer = match is not None and match["operator"] in _UPWARDS and _compare(running, match["version"]) <= 0
    return Mismatch(",".join(failing), running, wants_newer)


def incompatible(entry: Entry, mismatch: Mismatch) -> PluginIncompatible:
    """Build the error for a plugin that demands another cenote than the running one."""
    advice = f"Upgrade it: pip install -U {entry.distribution}."
    if mismatch.wants_newer:
        advice = "Upgrade cenote: pip install -U cenote."
    return PluginIncompatible(
        f"{entry.source} {mismatch}. {advice}", plugin=entry.name, distribution=entry.distribution
    )


def _clause_holds(clause: str, running: str) -> bool:
    match = _CLAUSE.fullmatch(clause)
    if match is None:
        raise ValueError(f"{clause!r} is no range of versions")
    if match["operator"] in _HOLDS and _PLAIN.fullmatch(match["version"]) and _PLAIN.fullmatch(running):
        return _compare(running, match["version"]) in _HOLDS[match["operator"]]
    # Pre-releases, wildcards and `~=`: rare enough that only they pay for the import (20 ms).
    from packaging.specifiers import InvalidSpecifier, Specifier

    try:
        return Specifier(clause).contains(running, prereleases=True)
    except InvalidSpecifier as exc:
        raise ValueError(f"{clause!r} is no range of versions") from exc


def _compare(running: str, demanded: str) -> int:
    """Return -1, 0 or 1; what follows the numbers of a demanded version, such as `.*`, does not count."""
    ours, theirs = ([int(part) for part in _numbers(version)] for version in (running, demanded))
    length = max(len(ours), len(theirs))
    ours, theirs = ([*parts, *[0] * (length - len(parts))] for parts in (ours, theirs))
    return (ours > theirs) - (ours < theirs)


def _numbers(version: str) -> list[str]:
    found = re.match(r"v?(?:\d+!)?(\d+(?:\.\d+)*)", version)
    return found[1].split(".") if found else []
