"""Merging of equal ids, one sequence at a time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cenote.kernels.term_max.check import check_terms

__all__ = ["term_max"]


def term_max(weights: Tensor, ids: Tensor, *, lengths: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Give each id of a sequence once, with the largest of its weights there.

    Memory is proportional to the number of tokens, however large ids are. NaN is larger than any number.

    Args:
        weights: [T] float, sequences end to end.
        ids: [T] whole numbers.
        lengths: tokens per sequence; sums to T.

    Returns:
        Of K terms in all: their ids [K] int64, ascending within each sequence, their weights [K] float32, and how many
        terms each sequence has [n] int64.

    Raises:
        ShapeError: sizes do not fit together.
        WrongType: ids are no whole numbers.
    """
    check_terms(weights, ids, lengths)
    sizes, ids = list(lengths), ids.long()
    terms, largest, counts = [ids.new_zeros(0)], [weights.new_zeros(0, dtype=torch.float32)], []
    for part, own in zip(*(each.split_with_sizes(sizes) for each in (weights.float(), ids)), strict=True):
        found, places = torch.unique(own, return_inverse=True)  # sorted
        merged = torch.full(found.shape, -torch.inf, dtype=torch.float32, device=part.device)
        terms.append(found)
        largest.append(merged.scatter_reduce_(0, places, part, "amax"))
        counts.append(len(found))
    return torch.cat(terms), torch.cat(largest), torch.tensor(counts, dtype=torch.int64, device=ids.device)
