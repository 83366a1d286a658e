"""One program per row, for NVIDIA GPUs: a row that fits is read once."""

from __future__ import annotations

import torch
import triton  # type: ignore[import-untyped]
import triton.language as tl  # type: ignore[import-untyped]
from torch import Tensor

from cenote.kernels.gpu import columns_of, device_of

__all__ = ["l2_normalize", "normalize_rows"]

#: Components of a row that are held at once.
_COLUMNS = 4096


def l2_normalize(rows: Tensor) -> Tensor:
    """Scale rows as `reference.l2_normalize` states it."""
    out = torch.empty(rows.shape, dtype=torch.float32, device=rows.device)
    flat = rows.reshape(-1, rows.shape[-1]) if out.numel() else rows
    return normalize_rows(flat, out) if out.numel() else out


def normalize_rows(rows: Tensor, out: Tensor) -> Tensor:
    """Write rows [T, h], scaled to length one, to contiguous float32 that may be `rows` itself, and return it."""
    width = rows.shape[1]
    columns = min(_COLUMNS, columns_of(width))
    with device_of(rows):
        _kernel[(len(rows),)](
            rows, out, width, *rows.stride(), COLUMNS=columns, ONCE=width <= columns, num_warps=4 if width > 512 else 1
        )
    return out


# Triton compiles a function's annotations too, and knows none but its own.
@triton.jit  # type: ignore[untyped-decorator]
def _kernel(  # type: ignore[no-untyped-def]
    rows,
    out,
    width,
    row_step,
    column_step,
    COLUMNS: tl.constexpr,
    ONCE: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, COLUMNS)
    source, target = rows + row * row_step, out + row * width
    if ONCE:
        inside = columns < width
        values = tl.load(source + columns * column_step, mask=inside, other=0.0).to(tl.float32)
        length = tl.sqrt(tl.sum(values * values, axis=0))
        tl.store(target + columns, values / tl.where(length < 1e-12, 1e-12, length), mask=inside)
    else:
        squares = tl.zeros((COLUMNS,), tl.float32)
        for at in range(0, width, COLUMNS):
            values = tl.load(source + (at + columns) * column_step, mask=at + columns < width, other=0.0)
            squares += values.to(tl.float32) * values.to(tl.float32)
        length = tl.sqrt(tl.sum(squares, axis=0))
        length = tl.where(length < 1e-12, 1e-12, length)
        for at in range(0, width, COLUMNS):
            inside = at + columns < width
            values = tl.load(source + (at + columns) * column_step, mask=inside, other=0.0).to(tl.float32)
            tl.store(target + at + columns, values / length, mask=inside)
