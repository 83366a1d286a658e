"""Segment reduction through torch's own segment operator."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cenote.kernels.l2_normalize.reference import l2_normalize
from cenote.kernels.segment_pool import reference
from cenote.kernels.segment_pool.check import check_segments

__all__ = ["segment_pool"]


def segment_pool(rows: Tensor, *, lengths: Sequence[int], reduce: str, normalize: bool = False) -> Tensor:
    """Reduce segments as `reference.segment_pool` states it.

    Raises:
        ShapeError: the lengths do not fit the rows.
        ValueError: as the reference.
    """
    check_segments(rows, lengths, reduce)
    if not len(lengths):
        return reference.segment_pool(rows, lengths=lengths, reduce=reduce, normalize=normalize)
    counts = torch.tensor(lengths, dtype=torch.int64, device=rows.device)
    # An empty segment would give NaN (mean) or -inf (max) without `initial`, which max must not have elsewhere.
    # Unsafe is what reads beyond the rows where lengths do not fit them, and was looked at above.
    out = torch.segment_reduce(rows.float(), reduce, lengths=counts, unsafe=True)
    if min(lengths) == 0:
        out.masked_fill_((counts == 0)[:, None], 0.0)
    return l2_normalize(out) if normalize else out
