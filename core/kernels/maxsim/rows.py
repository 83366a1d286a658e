"""Vectors of documents, run after run, from one tensor of all or from one tensor per document."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

import torch
from torch import Tensor

__all__ = ["Rows", "runs"]


class Rows:
    """Documents end to end, of which only a run is copied at a time, and only where they lie apart in memory.

    Attributes:
        ends: n + 1 places where documents begin and end.
    """

    def __init__(self, documents: Tensor | Sequence[Tensor], lengths: Sequence[int], most: int) -> None:
        """Take [T, dim], or n tensors [n_i, dim] of one type, and the most vectors of a run of several."""
        self.ends = list(accumulate(lengths, initial=0))
        self._documents = documents
        self._most = most
        self._buffer: Tensor | None = None

    def __call__(self, first: int, last: int) -> Tensor:
        """Return [T, dim], documents [first, last), valid until the next call."""
        if isinstance(self._documents, Tensor):
            return self._documents[self.ends[first] : self.ends[last]]
        part, total = self._documents[first:last], self.ends[last] - self.ends[first]
        joined = _end_to_end(part, total)
        if joined is None:
            if self._buffer is None:
                self._buffer = part[0].new_empty(self._most, part[0].shape[1])
            joined = self._buffer[:total]
            torch.cat(list(part), out=joined)
        return joined


def runs(ends: Sequence[int], first: int, last: int, most: int) -> Iterator[tuple[int, int]]:
    """Cut documents [first, last) into runs of at most `most` vectors, or one document that has more."""
    while first < last:
        stop = min(max(bisect_right(ends, ends[first] + most) - 1, first + 1), last)
        yield first, stop
        first = stop


def _end_to_end(documents: Sequence[Tensor], total: int) -> Tensor | None:
    """Return [T, dim], a view of documents that follow one another in one piece of memory, or None."""
    first = documents[0]
    if len(documents) == 1:
        return first
    place, width, start = first.data_ptr(), first.shape[1] * first.itemsize, first.storage_offset()
    if start * first.itemsize + total * width > first.untyped_storage().nbytes():
        return None  # what follows it is of another piece
    for document in documents:
        if document.data_ptr() != place or not document.is_contiguous():
            return None
        place += document.shape[0] * width
    return first.as_strided((total, first.shape[1]), (first.shape[1], 1))
