"""The matrix product through oneDNN, with the weight brought into its blocked layout once.

torch's own float32 product goes through MKL, which does not use AVX-512 on AMD processors (2.3 times slower
there at equal precision), and lays the weight out anew in every call, which costs short inputs most.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cenote.errors import MissingDependency
from cenote.kernels.linear import reference

__all__ = ["prepare_linear"]

#: Rows that the layout is chosen for; other numbers work too.
_TYPICAL_ROWS = 1024
#: Below this many weights the call's overhead outweighs what the layout saves.
_SMALLEST = 128 * 128


def prepare_linear(weight: Tensor, bias: Tensor | None) -> reference.Product:
    """Prepare a product as `reference.prepare_linear` states it.

    Raises:
        MissingDependency: this build of torch has no oneDNN operators.
    """
    if weight.dtype not in (torch.float32, torch.bfloat16) or weight.numel() < _SMALLEST:
        return reference.prepare_linear(weight, bias)
    try:
        packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), _TYPICAL_ROWS)
        product = torch.ops.mkldnn._linear_pointwise
    except (AttributeError, RuntimeError) as exc:
        raise MissingDependency(f"This torch has no oneDNN linear operators ({type(exc).__name__}).") from exc
    kept = None if bias is None else bias.detach()

    def apply(rows: Tensor, *, gelu: bool = False) -> Tensor:
        # Fused, the activation needs no second buffer; fresh pages for some MB cost more than the arithmetic.
        activation, algorithm = ("gelu", "none") if gelu else ("none", "")
        result: Tensor = product(rows, packed, kept, activation, [], algorithm)
        return result

    return apply
