"""The matrix product as torch computes it, and as int8 is defined."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from cenote.kernels.activations import Activation, function_of
from cenote.kernels.linear.check import check_linear

__all__ = ["Precision", "Product", "Quantization", "prepare_linear", "quantize_rows"]

#: Number formats that a weight can be brought into.
Quantization: TypeAlias = Literal["int8"]
#: How exact products of float32 are: as float32, or with about 16 bits of each factor (torch's names).
Precision: TypeAlias = Literal["highest", "high"]


class Product(Protocol):
    """A product with a weight that is laid out already."""

    def __call__(self, rows: Tensor, *, activation: Activation | None = None) -> Tensor:
        """Return x · weightᵀ + bias [..., out] of x [..., in], or the activation of that, in the dtype of x."""
        ...


def quantize_rows(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows [n, k] as int8 [n, k], and the float32 scale [n, 1] that brings them back.

    The largest magnitude of a row becomes 127; a row of zeros stays one.
    """
    values = rows.float()
    scales = values.abs().amax(dim=-1, keepdim=True).div_(127.0)
    steps = values / torch.where(scales > 0, scales, 1.0)
    return steps.round_().to(torch.int8), scales


def prepare_linear(
    weight: Tensor, bias: Tensor | None, *, quantization: Quantization | None = None, precision: Precision = "highest"
) -> Product:
    """Return a function from x [..., in] to x · weightᵀ + bias [..., out], which may apply an activation as well.

    Args:
        weight: [out, in]; the function keeps its own copy or layout, so the caller may drop it.
        bias: [out], or None.
        quantization: `int8` keeps the weight as int8 with one scale per row of it, and brings each row of x to int8
            with a scale of its own when it comes (dynamic quantisation); sums are exact, and scaled in float32.
        precision: of float32 products; `high` may take about 16 bits of each factor, as
            `torch.set_float32_matmul_precision` has it. This implementation always takes all.

    Raises:
        ShapeError: the weight is no matrix, or the bias does not fit it.
        ValueError: there is no such quantization or precision.
    """
    check_linear(weight, bias, quantization, precision)
    if quantization == "int8":
        return _prepare_int8(weight.detach(), None if bias is None else bias.detach().float())

    def apply(rows: Tensor, *, activation: Activation | None = None) -> Tensor:
        result = F.linear(rows, weight, bias)
        return result if activation is None else function_of(activation)(result)

    return apply


def _prepare_int8(weight: Tensor, bias: Tensor | None) -> Product:
    values, scales = quantize_rows(weight)
    # float64 holds the integer sums exactly, as int32 does.
    columns, factors = values.double().t().contiguous(), scales.squeeze(1)

    def apply(rows: Tensor, *, activation: Activation | None = None) -> Tensor:
        steps, own = quantize_rows(rows.reshape(-1, rows.shape[-1]))
        result = (steps.double() @ columns).float() * own * factors
        if bias is not None:
            result = result + bias
        if activation is not None:
            result = function_of(activation)(result)
        return result.to(rows.dtype).view(*rows.shape[:-1], len(factors))

    return apply
