"""Some rows per program, for NVIDIA GPUs: both inputs are read once, and both results written once."""

from __future__ import annotations

import torch
import triton  # type: ignore[import-untyped]
import triton.language as tl  # type: ignore[import-untyped]
from torch import Tensor

from cenote.kernels.gpu import columns_of, device_of
from cenote.kernels.residual_norm.reference import Kind, Stream

__all__ = ["residual_norm"]

#: Numbers of a program, as whole rows; longer rows have a program each.
_NUMBERS = 2048


def residual_norm(
    rows: Tensor,
    residual: Tensor | None,
    *,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    kind: Kind,
    stream: Stream,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor]:
    """Normalise as `reference.residual_norm` states it."""
    total, width = rows.shape
    normed = torch.empty(total, width, dtype=dtype, device=rows.device)
    one = stream == "norm" and dtype == torch.float32
    carried = normed if one else torch.empty(total, width, dtype=torch.float32, device=rows.device)
    if not normed.numel():
        return normed, carried
    columns = columns_of(width)
    block = max(1, _NUMBERS // columns)
    other = rows if residual is None else residual
    with device_of(rows):
        _kernel[(triton.cdiv(total, block),)](
            rows,
            other,
            rows if weight is None else weight.contiguous(),
            rows if bias is None else bias.contiguous(),
            normed,
            carried,
            total,
            width,
            *rows.stride(),
            *other.stride(),
            eps,
            RESIDUAL=residual is not None,
            WEIGHT=weight is not None,
            BIAS=bias is not None,
            LAYER=kind == "layer",
            SUM=stream == "sum",
            ONE=one,
            ROWS=block,
            COLUMNS=columns,
            num_warps=4 if columns <= 4096 else 8,
        )
    return normed, carried


# Triton compiles a function's annotations too, and knows none but its own.
@triton.jit  # type: ignore[untyped-decorator]
def _kernel(  # type: ignore[no-untyped-def]
    rows,
    residual,
    weight,
    bias,
    normed,
    carried,
    total,
    width,
    row_step,
    column_step,
    residual_row_step,
    residual_column_step,
    eps,
    RESIDUAL: tl.constexpr,
    WEIGHT: tl.constexpr,
    BIAS: tl.constexpr,
    LAYER: tl.constexpr,
    SUM: tl.constexpr,
    ONE: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    column = tl.arange(0, COLUMNS)[None, :]
    there = (row < total) & (column < width)
    values = tl.load(rows + row * row_step + column * column_step, mask=there, other=0.0).to(tl.float32)
    if RESIDUAL:
        places = residual + row * residual_row_step + column * residual_column_step
        values += tl.load(places, mask=there, other=0.0).to(tl.float32)
    centred = values
    if LAYER:
        mean = tl.sum(values, axis=1) / width
        centred = tl.where(column < width, values - mean[:, None], 0.0)
    result = centred * (1.0 / tl.sqrt(tl.sum(centred * centred, axis=1) / width + eps))[:, None]
    if WEIGHT:
        result = result * tl.load(weight + column, mask=column < width, other=0.0).to(tl.float32)
    if BIAS:
        result = result + tl.load(bias + column, mask=column < width, other=0.0).to(tl.float32)
    place = row * width + column
    tl.store(normed + place, result.to(normed.dtype.element_ty), mask=there)
    if not ONE:
        tl.store(carried + place, values if SUM else result, mask=there)
