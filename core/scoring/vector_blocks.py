"""Documents of several vectors each, some thousand vectors at a time, so that there is never a copy of all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

import torch
from torch import Tensor

from cenote.kernels.maxsim.rows import Rows, runs

__all__ = ["padded_blocks", "vector_blocks"]

#: Vectors of a block: enough that what a call costs does not count.
_ROWS = 32768


def vector_blocks(documents: Sequence[Tensor]) -> Iterator[tuple[Tensor, list[int]]]:
    """Join documents, block by block; those that lie end to end in memory already are not copied.

    Args:
        documents: n tensors [n_i, dim] of one type on one device, each of at least one vector.

    Yields:
        [T, dim] vectors of some documents, valid until the next block is asked for, and the lengths of these.
    """
    lengths = [len(document) for document in documents]
    rows = Rows(documents, lengths, _ROWS)
    for first, last in runs(rows.ends, 0, len(lengths), _ROWS):
        yield rows(first, last), lengths[first:last]


def padded_blocks(documents: Tensor, lengths: Sequence[int]) -> Iterator[tuple[Tensor, Sequence[int]]]:
    """Yield [T, dim], the vectors of some of [n, L, dim] documents without what fills them, and their lengths."""
    steps = torch.arange(documents.shape[1], device=documents.device)
    ends = list(accumulate(lengths, initial=0))
    for first, last in runs(ends, 0, len(lengths), _ROWS):
        part = lengths[first:last]
        yield documents[first:last][steps < torch.tensor(part, device=documents.device)[:, None]], part
