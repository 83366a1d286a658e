"""One program per token and group of heads, for NVIDIA GPUs: the angles of a token are read once for its heads."""

from __future__ import annotations

import torch
import triton  # type: ignore[import-untyped]
import triton.language as tl  # type: ignore[import-untyped]
from torch import Tensor

from cenote.kernels.gpu import columns_of, device_of

__all__ = ["rotary"]

#: Numbers of a program, as whole heads.
_NUMBERS = 2048


def rotary(heads: Tensor, cos: Tensor, sin: Tensor, *, interleaved: bool = False) -> Tensor:
    """Rotate as `reference.rotary` states it."""
    total, count, size = heads.shape
    out = torch.empty(total, count, size, dtype=heads.dtype, device=heads.device)
    if not out.numel():
        return out
    columns = columns_of(size)
    block = min(columns_of(count, least=1), max(1, _NUMBERS // columns))
    with device_of(heads):
        _kernel[(total, triton.cdiv(count, block))](
            heads,
            cos,
            sin,
            out,
            count,
            *heads.stride(),
            *cos.stride(),
            *sin.stride(),
            SIZE=size,
            TURNED=cos.shape[1],
            INTERLEAVED=interleaved,
            HEADS=block,
            COLUMNS=columns,
        )
    return out


# Triton compiles a function's annotations too, and knows none but its own.
@triton.jit  # type: ignore[untyped-decorator]
def _kernel(  # type: ignore[no-untyped-def]
    heads,
    cos,
    sin,
    out,
    count,
    row_step,
    head_step,
    column_step,
    cos_step,
    cos_column_step,
    sin_step,
    sin_column_step,
    SIZE: tl.constexpr,
    TURNED: tl.constexpr,
    INTERLEAVED: tl.constexpr,
    HEADS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1) * HEADS + tl.arange(0, HEADS)[:, None]
    column = tl.arange(0, COLUMNS)
    turned = column < TURNED
    if INTERLEAVED:
        is_first = column % 2 == 0
        partner = tl.where(is_first, column + 1, column - 1)
    else:
        is_first = column < TURNED // 2
        partner = tl.where(is_first, column + TURNED // 2, column - TURNED // 2)
    here = heads + row * row_step + head * head_step
    there = (head < count) & (column[None, :] < SIZE)
    own = tl.load(here + column[None, :] * column_step, mask=there, other=0.0)
    other = tl.load(here + partner[None, :] * column_step, mask=there & turned[None, :], other=0.0).to(tl.float32)
    cosine = tl.load(cos + row * cos_step + column * cos_column_step, mask=turned, other=1.0).to(tl.float32)
    sine = tl.load(sin + row * sin_step + column * sin_column_step, mask=turned, other=0.0).to(tl.float32)
    sine = tl.where(is_first, -sine, sine)
    result = own.to(tl.float32) * cosine[None, :] + other * sine[None, :]
    place = out + (row * count + head) * SIZE + column[None, :]
    tl.store(place, result.to(out.dtype.element_ty), mask=there)
