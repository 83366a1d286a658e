"""Documents of several vectors each, some thousand vectors at a time, so that there is never a copy of all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

__all__ = ["vector_blocks", "vector_slices"]

#: Vectors of a block: enough that what a call costs does not count, few enough that the copy is read from cache.
_ROWS = 32768


def vector_blocks(documents: Sequence[Tensor]) -> Iterator[tuple[Tensor, list[int]]]:
    """Join documents, block by block; those that lie end to end in memory already are not copied.

    Args:
        documents: n tensors [n_i, dim] of one type on one device, each of at least one vector.

    Yields:
        [T, dim] vectors of some documents, valid until the next block is asked for, and the lengths of these.
    """
    buffer: Tensor | None = None
    counts = [document.shape[0] for document in documents]
    for run in _runs(counts):
        part, lengths = documents[run.start : run.stop], counts[run.start : run.stop]
        joined = _end_to_end(part, sum(lengths))
        if joined is None:
            if buffer is None:
                buffer = part[0].new_empty(_ROWS, part[0].shape[1])
            joined = buffer[: sum(lengths)]
            _copy(part, joined)
        yield joined, lengths


def vector_slices(documents: Tensor, lengths: Sequence[int]) -> Iterator[tuple[Tensor, Sequence[int]]]:
    """Yield [T, dim] documents that lie end to end in blocks, as views, and the lengths of these."""
    start = 0
    for run in _runs(lengths):
        part = lengths[run.start : run.stop]
        yield documents[start : start + sum(part)], part
        start += sum(part)


def _copy(documents: Sequence[Tensor], to: Tensor) -> None:
    """Copy documents one after the other."""
    if all(document.is_contiguous() for document in documents):
        # torch copies with one thread what has few elements, and bytes are more of them.
        documents, to = [document.view(torch.int8) for document in documents], to.view(torch.int8)
    torch.cat(list(documents), out=to)


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
