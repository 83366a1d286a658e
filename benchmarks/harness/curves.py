"""Curves of several libraries, measured in turns."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from harness.arena import Arena, Entry

__all__ = ["Place", "curves"]

#: How often each library goes through all points of a curve; seconds after which a point gets no further call each
#: time, and calls that it gets at most.
_ROUNDS, _POINT, _CALLS = 3, 0.2, 20


@dataclass(frozen=True, slots=True)
class Place:
    """Where a curve has a point.

    Attributes:
        at: what varies.
        path: the texts.
        warm: those of a call off the clock.
        sizes: batch sizes, of which the better one counts, for libraries that take one.
    """

    at: int
    path: Path
    warm: Path
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, arena: Arena, name: str, at: int, texts: Sequence[str], sizes: tuple[int, ...]) -> Place:
        """Write texts where workers read them."""
        return cls(at, arena.inputs(f"{name}-{at}", texts), arena.inputs(f"{name}-{at}-warm", texts[:8]), sizes)


def curves(
    entries: Sequence[Entry], places: Sequence[Place], saved: Path
) -> tuple[dict[str, dict[int, float]], dict[int, list[Any]]]:
    """Return the median seconds of each library at each place, by its name, and all results at each place.

    Libraries take turns, and each has all places in a turn: what else the machine does changes over minutes, which
    would bend a curve whose points lie far apart.
    """
    import numpy as np

    taken: dict[tuple[str, int, int], list[float]] = {}
    results: dict[int, list[Any]] = {place.at: [] for place in places}
    for entry, place in product(list(entries) * _ROUNDS, places):
        for size in place.sizes if len(entry.sizes) > 1 else (0,):
            point = f"{entry.peer.name}, {entry.setting}", place.at, size
            taken.setdefault(point, []).extend(_seconds(entry, place, size, saved))
        results[place.at].append(np.load(saved))
    found: dict[str, dict[int, float]] = {}
    for (name, at, _), seconds in taken.items():
        curve = found.setdefault(name, {})
        curve[at] = min(curve.get(at, math.inf), statistics.median(seconds))
    return found, results


def _seconds(entry: Entry, place: Place, size: int, saved: Path) -> list[float]:
    """Return the seconds of several calls after one off the clock."""
    answer = entry.worker.run(entry.handle, place.path, size, repeat=_CALLS, limit=_POINT, warm=place.warm, save=saved)
    seconds: list[float] = answer["seconds"]
    return seconds
