"""The matrix product as torch computes it, and as int8 is defined."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from cenote.kernels.activations import Activation, function_of
from cenote.kernels.linear.check import check_linear

__all__ = ["Precision", "Product", "Quantization", "prepare_linear", "quantize_rows", "quantize_weight"]

#: Number formats that a weight can be brought into.
Quantization: TypeAlias = Literal["int8"]
#: How exact products of float32 are: as float32, or with about 16 bits of each factor (torch's names).
Precision: TypeAlias = Literal["highest", "high"]


class Product(Protocol):
    """A product with a weight that is laid out already."""

    def __call__(self, rows: Tensor, *, activation: Activation | None = None) -> Tensor:
        """Return x · weightᵀ + bias [..., out] of x [..., in], or the activation of that, in the dtype of x."""
        ...


#: Rows whose steps would be smaller become zeros: the inverse of such a step is infinite.
_LEAST_STEP = 1e-37


def quantize_rows(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return rows [n, k] as int8 [n, k], the float32 size [n, 1] of a step, and the int8 [n, 1] that stands for zero.

    A number is size · (step - zero). All 256 steps lie between a row's least number (at most zero) and its largest (at
    least zero), since what goes into a layer is seldom as large on both sides; zero is exact. A row that has a number
    that is NaN or infinite gets a size of NaN.
    """
    values = rows.float()
    low, high = values.amin(dim=-1, keepdim=True).clamp_max(0.0), values.amax(dim=-1, keepdim=True).clamp_min(0.0)
    sizes = high / 255.0 - low / 255.0
    inverse = torch.where(sizes >= _LEAST_STEP, 1.0 / sizes, 0.0)
    zeros = (low * -inverse).round_() - 128.0
    steps = (values * inverse).round_().add_(zeros).clamp_(-128.0, 127.0)
    odd = (values * 0.0).sum(dim=-1, keepdim=True)  # NaN where a number is NaN or infinite
    return steps.nan_to_num_().to(torch.int8), sizes + odd, zeros.nan_to_num_().to(torch.int8)


def quantize_weight(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return a weight [out, in] as int8 [out, in], and the float32 scales [out] that bring its rows back.

    The largest magnitude of a row becomes 127; a row of zeros stays one.
    """
    values = weight.float()
    scales = values.abs().amax(dim=-1, keepdim=True).div_(127.0)
    steps = values / torch.where(scales > 0, scales, 1.0)
    return steps.round_().to(torch.int8), scales.squeeze(1)


def prepare_linear(
    weight: Tensor, bias: Tensor | None, *, quantization: Quantization | None = None, precision: Precision = "highest"
) -> Product:
    """Return a function from x [..., in] to x · weightᵀ + bias [..., out], which may apply an activation as well.

    Args:
        weight: [out, in]; the function keeps its own copy or layout, so the caller may drop it.
        bias: [out], or None.
        quantization: `int8` keeps the weight as int8 with one scale per row of it, and brings each row of x to int8
            with a scale and a zero of its own when it comes (dynamic quantisation); sums are exact, and scaled in
            float32.
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
    values, factors = quantize_weight(weight)
    # float64 holds the integer sums exactly, as int32 does.
    columns = values.double().t().contiguous()
    total = columns.sum(0)

    def apply(rows: Tensor, *, activation: Activation | None = None) -> Tensor:
        steps, own, zeros = quantize_rows(rows.reshape(-1, rows.shape[-1]))
        result = (steps.double() @ columns - zeros * total).float() * own * factors
        if bias is not None:
            result = result + bias
        if activation is not None:
            result = function_of(activation)(result)
        return result.to(rows.dtype).view(*rows.shape[:-1], len(factors))

    return apply
