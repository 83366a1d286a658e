"""The matrix product through oneDNN, with the weight brought into its blocked layout once.

torch's own float32 product goes through MKL, which does not use AVX-512 on AMD processors (2.3 times slower
there at equal precision), and lays the weight out anew in every call, which costs short inputs most.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cenote.errors import MissingDependency
from cenote.kernels import devices, kernel_for
from cenote.kernels.activations import Activation, function_of
from cenote.kernels.linear import reference
from cenote.kernels.linear.check import check_linear
from cenote.kernels.linear.reference import Precision, Product, Quantization

__all__ = ["prepare_linear"]

#: Rows that the layout is chosen for; other numbers work too.
_TYPICAL_ROWS = 1024
#: Below this many weights the call's overhead outweighs what the layout saves.
_SMALLEST = 128 * 128
#: Activations that oneDNN applies to the result before it is written, by its names.
_FUSED = {"gelu": ("gelu", "none"), "gelu_tanh": ("gelu", "tanh"), "relu": ("relu", "")}


def prepare_linear(
    weight: Tensor, bias: Tensor | None, *, quantization: Quantization | None = None, precision: Precision = "highest"
) -> Product:
    """Prepare a product as `reference.prepare_linear` states it.

    Raises:
        ShapeError: the weight is no matrix, or the bias does not fit it.
        ValueError: there is no such quantization or precision.
        MissingDependency: this build of torch has no oneDNN operators.
    """
    check_linear(weight, bias, quantization, precision)
    if quantization == "int8":
        return _prepare_int8(weight.detach(), None if bias is None else bias.detach().float())
    if devices.device_type_of(weight) != "cpu":
        return _with_activation_behind(weight.detach(), None if bias is None else bias.detach())
    if weight.numel() < _SMALLEST or weight.dtype not in (torch.float32, torch.bfloat16):
        return reference.prepare_linear(weight, bias)
    try:
        packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), _TYPICAL_ROWS)
        product = torch.ops.mkldnn._linear_pointwise
    except (AttributeError, RuntimeError) as exc:
        raise MissingDependency(f"This torch has no oneDNN linear operators ({type(exc).__name__}).") from exc
    kept = None if bias is None else bias.detach()

    def apply(rows: Tensor, *, activation: Activation | None = None) -> Tensor:
        # Fused, the activation needs no second buffer; fresh pages for some MB cost more than the arithmetic.
        name, algorithm = _FUSED.get(activation or "", ("none", ""))
        result: Tensor = product(rows, packed, kept, name, [], algorithm)
        return result if activation is None or activation in _FUSED else function_of(activation)(result)

    return apply


def _with_activation_behind(weight: Tensor, bias: Tensor | None) -> Product:
    """Return the product of other devices: torch's, with bias and activation in one pass over its result."""
    behind = kernel_for("bias_act", weight)

    def apply(rows: Tensor, *, activation: Activation | None = None) -> Tensor:
        if activation is None:
            return F.linear(rows, weight, bias)
        wide = F.linear(rows, weight)
        result: Tensor = behind(wide.reshape(-1, wide.shape[-1]), bias, activation=activation)
        return result.view(wide.shape)

    return apply


def _prepare_int8(weight: Tensor, bias: Tensor | None) -> Product:
    values, factors = reference.quantize_weight(weight)
    columns, total = values.t(), values.sum(1, dtype=torch.int32)

    def apply(rows: Tensor, *, activation: Activation | None = None) -> Tensor:
        steps, own, zeros = reference.quantize_rows(rows.reshape(-1, rows.shape[-1]))
        sums = _sums(steps, columns).addcmul_(zeros.int(), total, value=-1)
        result = sums.float().mul_(own).mul_(factors)
        if bias is not None:
            result.add_(bias)
        if activation is not None:
            result = function_of(activation)(result)
        return result.to(rows.dtype).view(*rows.shape[:-1], len(factors))

    return apply


def _sums(steps: Tensor, columns: Tensor) -> Tensor:
    """Return the int32 products [n, out] of int8 steps [n, in] and columns [in, out].

    Torch 2.13 reads columns wrongly that have one number each: both strides are 1, so that it mistakes [1, out] for
    [out, 1]. Of 1 to 256 rows, numbers and columns, and of parts of wider tensors, all others were right.
    """
    return steps.int() * columns if len(columns) == 1 else torch._int_mm(steps, columns)
