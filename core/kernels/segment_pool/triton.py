"""One program per segment and group of columns, for NVIDIA GPUs: each row is read once, in its own type."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import triton  # type: ignore[import-untyped]
import triton.language as tl  # type: ignore[import-untyped]
from torch import Tensor

from cenote.kernels.gpu import columns_of, device_of, row_starts
from cenote.kernels.l2_normalize.triton import normalize_rows
from cenote.kernels.segment_pool.check import check_segments

__all__ = ["segment_pool"]

#: Rows and columns that are read at once. Few columns, so that a batch of few segments keeps the whole chip busy.
_ROWS, _COLUMNS = 32, 64


def segment_pool(rows: Tensor, *, lengths: Sequence[int], reduce: str, normalize: bool = False) -> Tensor:
    """Reduce segments as `reference.segment_pool` states it.

    Raises:
        ShapeError: the lengths do not fit the rows.
        ValueError: as the reference.
    """
    check_segments(rows, lengths, reduce)
    width = rows.shape[1]
    out = torch.empty(len(lengths), width, dtype=torch.float32, device=rows.device)
    if not out.numel():
        return out
    columns = columns_of(min(width, _COLUMNS))
    with device_of(rows):
        _kernel[(len(lengths), triton.cdiv(width, columns))](
            rows,
            row_starts(tuple(lengths), rows.device),
            out,
            width,
            *rows.stride(),
            REDUCE=reduce,
            ROWS=_ROWS,
            COLUMNS=columns,
        )
    return normalize_rows(out, out) if normalize else out


# Triton compiles a function's annotations too, and knows none but its own.
@triton.jit  # type: ignore[untyped-decorator]
def _kernel(  # type: ignore[no-untyped-def]
    rows,
    starts,
    out,
    width,
    row_step,
    column_step,
    REDUCE: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    segment = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    start = tl.load(starts + segment)
    length = (tl.load(starts + segment + 1) - start).to(tl.int32)
    steps, inside = tl.arange(0, ROWS), columns < width
    best = tl.full((ROWS, COLUMNS), float("-inf") if REDUCE == "max" else 0.0, tl.float32)
    spoilt = tl.zeros((ROWS, COLUMNS), tl.float32)  # NaN once there was one, which a maximum may pass over
    for at in range(0, length, ROWS):
        there = (at + steps < length)[:, None] & inside[None, :]
        places = rows + (start + at + steps)[:, None] * row_step + columns[None, :] * column_step
        if REDUCE == "max":
            found = tl.load(places, mask=there, other=float("-inf")).to(tl.float32)
            spoilt += tl.where(found != found, found, 0.0)
            best = tl.maximum(best, found)
        else:
            best += tl.load(places, mask=there, other=0.0).to(tl.float32)
    if REDUCE == "max":
        result = tl.where(length > 0, tl.max(best, axis=0), 0.0) + tl.sum(spoilt, axis=0)
    else:
        result = tl.sum(best, axis=0)
    if REDUCE == "mean":
        result = result / tl.maximum(length, 1).to(tl.float32)
    tl.store(out + segment * width + columns, result, mask=inside)
