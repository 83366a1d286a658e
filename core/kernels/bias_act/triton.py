"""One program per tile of results, for NVIDIA GPUs: what a product wrote is read once."""

from __future__ import annotations

import torch
import triton  # type: ignore[import-untyped]
import triton.language as tl  # type: ignore[import-untyped]
from torch import Tensor

from cenote.kernels.activations import Activation, function_of
from cenote.kernels.gpu import columns_of, device_of

__all__ = ["bias_act"]

#: Rows and columns of a tile.
_ROWS, _COLUMNS = 4, 512


def bias_act(rows: Tensor, bias: Tensor | None, *, activation: Activation, gated: bool = False) -> Tensor:
    """Compute as `reference.bias_act` states it.

    Raises:
        ValueError: the activation is unknown.
    """
    function_of(activation)
    total, width = rows.shape[0], rows.shape[1] // 2 if gated else rows.shape[1]
    out = torch.empty(total, width, dtype=rows.dtype, device=rows.device)
    if not out.numel():
        return out
    columns = min(_COLUMNS, columns_of(width))
    with device_of(rows):
        _kernel[(triton.cdiv(total, _ROWS), triton.cdiv(width, columns))](
            rows,
            rows if bias is None else bias.contiguous(),
            out,
            total,
            width,
            *rows.stride(),
            BIAS=bias is not None,
            GATED=gated,
            ACTIVATION=activation,
            ROWS=_ROWS,
            COLUMNS=columns,
        )
    return out


# Triton compiles a function's annotations too, and knows none but its own.
@triton.jit  # type: ignore[untyped-decorator]
def _activated(values, ACTIVATION: tl.constexpr):  # type: ignore[no-untyped-def]
    if ACTIVATION == "relu":
        result = tl.where(values < 0.0, 0.0, values)
    elif ACTIVATION == "silu":
        result = values * tl.sigmoid(values)
    elif ACTIVATION == "quick_gelu":
        result = values * tl.sigmoid(1.702 * values)
    elif ACTIVATION == "gelu_tanh":  # (1 + tanh(x)) / 2 is the sigmoid of 2x
        result = values * tl.sigmoid(1.5957691216057308 * (values + 0.044715 * values * values * values))
    else:
        result = 0.5 * values * (1.0 + tl.erf(values * 0.7071067811865476))
    return result


@triton.jit  # type: ignore[untyped-decorator]
def _kernel(  # type: ignore[no-untyped-def]
    rows,
    bias,
    out,
    total,
    width,
    row_step,
    column_step,
    BIAS: tl.constexpr,
    GATED: tl.constexpr,
    ACTIVATION: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)[None, :]
    inside = column < width
    there = (row < total) & inside
    places = rows + row * row_step + column * column_step
    values = tl.load(places, mask=there, other=0.0).to(tl.float32)
    if BIAS:
        values += tl.load(bias + column, mask=inside, other=0.0).to(tl.float32)
    result = _activated(values, ACTIVATION)
    if GATED:
        factor = tl.load(places + width * column_step, mask=there, other=0.0).to(tl.float32)
        if BIAS:
            factor += tl.load(bias + width + column, mask=inside, other=0.0).to(tl.float32)
        result = result * factor
    tl.store(out + row * width + column, result.to(out.dtype.element_ty), mask=there)
