"""Merging of equal ids, all sequences at once: faster for batches of short texts, of which there are most."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cenote.kernels.term_max import reference
from cenote.kernels.term_max.check import check_terms

__all__ = ["term_max"]

#: Of int64.
_LARGEST = (1 << 63) - 1


def term_max(weights: Tensor, ids: Tensor, *, lengths: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Merge as `reference.term_max` states it.

    Raises:
        ShapeError: weights, ids and lengths do not fit together.
        WrongType: ids are no whole numbers.
    """
    check_terms(weights, ids, lengths)
    if len(lengths) < 2 or not len(ids):
        return reference.term_max(weights, ids, lengths=lengths)
    ids = ids.long()
    least, largest = (int(end) for end in ids.aminmax())
    span = largest - least + 1
    if span * len(lengths) > _LARGEST:
        return reference.term_max(weights, ids, lengths=lengths)
    sizes = torch.tensor(lengths, dtype=torch.int64, device=ids.device)
    owners = torch.repeat_interleave(torch.arange(len(lengths), device=ids.device), sizes)
    # One number for a sequence and an id, so that one sort tells all of them apart.
    found, places = torch.unique(owners * span + (ids - least), return_inverse=True)
    merged = torch.full(found.shape, -torch.inf, dtype=torch.float32, device=ids.device)
    merged.scatter_reduce_(0, places, weights.float(), "amax")
    owners = found // span
    return found - owners * span + least, merged, torch.bincount(owners, minlength=len(lengths))
