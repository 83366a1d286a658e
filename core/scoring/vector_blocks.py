"""Documents of several vectors each, some thousand vectors at a time, so that there is never a copy of all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

__all__ = ["vector_blocks", "vector_slices"]

#: Vectors of a block: enough that what a call costs does not count, few enough to stay in cache.
_ROWS = 16384


def vector_blocks(documents: Sequence[Tensor]) -> Iterator[tuple[Tensor, list[int]]]:
    """Join documents, block by block.

    Args:
        documents: n tensors [n_i, dim] of one type on one device, each of at least one vector.

    Yields:
        [T, dim] vectors of some documents, valid until the next block is asked for, and the lengths of these.
    """
    buffer: Tensor | None = None
    for run in _runs([len(document) for document in documents]):
        part = documents[run.start : run.stop]
        lengths = [len(document) for document in part]
        if len(part) == 1:
            yield part[0], lengths
            continue
        if buffer is None:
            buffer = part[0].new_empty(_ROWS, part[0].shape[1])
        yield torch.cat(list(part), out=buffer[: sum(lengths)]), lengths


def vector_slices(documents: Tensor, lengths: Sequence[int]) -> Iterator[tuple[Tensor, Sequence[int]]]:
    """Yield [T, dim] documents that lie end to end in blocks, as views, and the lengths of these."""
    start = 0
    for run in _runs(lengths):
        part = lengths[run.start : run.stop]
        yield documents[start : start + sum(part)], part
        start += sum(part)


def _runs(lengths: Sequence[int]) -> Iterator[range]:
    """Cut documents into runs of at most `_ROWS` vectors, or one document that has more."""
    first, total = 0, 0
    for place, length in enumerate(lengths):
        if place > first and total + length > _ROWS:
            yield range(first, place)
            first, total = place, 0
        total += length
    if first < len(lengths):
        yield range(first, len(lengths))
