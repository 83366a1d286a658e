"""Segment reduction, one segment at a time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cenote.kernels.l2_normalize.reference import l2_normalize
from cenote.kernels.segment_pool.check import check_segments

__all__ = ["segment_pool"]


def segment_pool(rows: Tensor, *, lengths: Sequence[int], reduce: str, normalize: bool = False) -> Tensor:
    """Reduce each segment of rows to one row, in float32.

    Args:
        rows: [T, h] float, segments end to end.
        lengths: rows per segment; sums to T.
        reduce: `sum`, `mean` or `max`, per column.
        normalize: scale each result to length one, as `l2_normalize`.

    Returns:
        [n, h] float32. An empty segment gives zeros.

    Raises:
        ValueError: `reduce` is none of the three.
        ShapeError: the lengths do not fit the rows.
    """
    check_segments(rows, lengths, reduce)
    out = torch.zeros(len(lengths), rows.shape[1], dtype=torch.float32, device=rows.device)
    start = 0
    for index, length in enumerate(lengths):
        if length:
            segment = rows[start : start + length].float()
            out[index] = segment.amax(dim=0) if reduce == "max" else getattr(segment, reduce)(dim=0)
        start += length
    return l2_normalize(out) if normalize else out
