"""Ward's clustering of many vectors, step by step, so that other threads of the process run meanwhile.

scipy's `linkage` keeps the interpreter's lock until it ends: 10 ms for 1024 vectors, but 1.5 s for 8192, in which a
server would answer nobody. It also copies the distances.

Source: `nn_chain` and `label` of scipy 1.17, cluster/_hierarchy.pyx (the nearest-neighbour chain algorithm of Müllner
2011, arXiv:1109.2378), whose choices among equal distances are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    Numbers: TypeAlias = np.ndarray[Any, Any]

__all__ = ["ward_linkage"]


def ward_linkage(distances: Numbers, count: int, check: Callable[[], object] = lambda: None) -> Numbers:
    """Return what `scipy.cluster.hierarchy.linkage(distances, "ward")` returns.

    Args:
        distances: of all pairs [count (count - 1) / 2], float64, row by row; overwritten.
        count: number of vectors.
        check: called at each merge; what it raises ends the work.

    Returns:
        [count - 1, 4] float64: the two clusters of each merge, their distance, and the size of what they become.
    """
    clusters = _Clusters(distances, count)
    merges = np.empty((count - 1, 4))
    chain: list[int] = []
    for step in range(count - 1):
        check()
        if not chain:
            chain.append(int(clusters.alive[0]))
        while (nearest := clusters.nearest(chain[-1], chain[-2] if len(chain) > 1 else None)) not in chain[-2:-1]:
            chain.append(nearest)
        first, second = sorted((chain.pop(), chain.pop()))
        merges[step] = first, second, clusters.distance(first, second), clusters.merge(first, second)
    return _labelled(merges[np.argsort(merges[:, 2], kind="stable")])


class _Clusters:
    """Clusters that are merged; each has the number of its last vector."""

    def __init__(self, distances: Numbers, count: int) -> None:
        rows = np.arange(count)
        self._distances = distances
        #: The distance of i and j, i < j, lies at `_offsets[i] + j`.
        self._offsets = rows * count - rows * (rows + 1) // 2 - rows - 1
        self._sizes = np.ones(count)
        self.alive = rows

    def _places(self, cluster: int) -> Numbers:
        """Return where the distances of one cluster to all others lie; its own place holds something else."""
        split = int(np.searchsorted(self.alive, cluster))
        return np.concatenate(
            [self._offsets[self.alive[:split]] + cluster, self._offsets[cluster] + self.alive[split:]]
        )

    def distance(self, first: int, second: int) -> float:
        """Return the distance of two clusters, of which the first has the lower number."""
        return float(self._distances[self._offsets[first] + second])

    def nearest(self, cluster: int, before: int | None) -> int:
        """Return the cluster nearest to one: `before` where no other is nearer, else the lowest of the nearest."""
        places = self._places(cluster)
        own = int(np.searchsorted(self.alive, cluster))
        places[own] = 0
        found = self._distances[places]
        found[own] = np.inf
        best = int(found.argmin())
        if before is not None and not found[best] < self.distance(*sorted((cluster, before))):
            return before
        return int(self.alive[best])

    def merge(self, first: int, second: int) -> float:
        """Let the second cluster become both, and return its size."""
        one, other, between = self._sizes[first], self._sizes[second], self.distance(first, second)
        from_first, from_second = self._places(first), self._places(second)
        keep = (self.alive != first) & (self.alive != second)
        from_first, from_second, sizes = from_first[keep], from_second[keep], self._sizes[self.alive[keep]]
        scale = 1 / (one + other + sizes)
        to_first, to_second = self._distances[from_first], self._distances[from_second]
        squares = (sizes + one) * scale * to_first * to_first + (sizes + other) * scale * to_second * to_second
        # The two are each other's nearest, so that what is taken away is the smaller part.
        self._distances[from_second] = np.sqrt(squares - sizes * scale * between * between)
        self._sizes[second] += one
        self.alive = self.alive[self.alive != first]
        return float(self._sizes[second])


def _labelled(merges: Numbers) -> Numbers:
    """Name clusters as scipy does, in place: vectors by their place, and what a merge makes by its turn."""
    count = len(merges) + 1
    parents = list(range(2 * count - 1))

    def find(cluster: int) -> int:
        while parents[cluster] != cluster:
            parents[cluster] = parents[parents[cluster]]
            cluster = parents[cluster]
        return cluster

    for turn, merge in enumerate(merges):
        pair = sorted((find(int(merge[0])), find(int(merge[1]))))
        merge[:2] = pair
        for cluster in pair:
            parents[cluster] = count + turn
    return merges
