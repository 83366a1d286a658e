"""Segment reduction through torch's own segment operator."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cenote.kernels.l2_normalize.reference import l2_normalize
from cenote.kernels.segment_pool import reference

__all__ = ["segment_pool"]


def segment_pool(rows: Tensor, *, lengths: Sequence[int], reduce: str, normalize: bool = False) -> Tensor:
    """Reduce segments as `reference.segment_pool` states it."""
    if reduce not in ("sum", "mean", "max") or not len(lengths):
        return reference.segment_pool(rows, lengths=lengths, reduce=reduce, normalize=normalize)
    counts = torch.tensor(lengths, dtype=torch.int64, device=rows.device)
    # An empty segment would give NaN (mean) or -inf (max) without `initial`, which max must not have elsewhere.
    out = torch.segment_reduce(rows.float(), reduce, lengths=counts, unsafe=True)
    if min(lengths) == 0:
        out.masked_fill_((counts == 0)[:, None], 0.0)
    return l2_normalize(out) if normalize else out
