"""The matrix product as torch computes it."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

__all__ = ["prepare_linear"]


def prepare_linear(weight: Tensor, bias: Tensor | None, *, gelu: bool = False) -> Callable[[Tensor], Tensor]:
    """Return a function from x [..., in] to x · weightᵀ + bias [..., out], or to gelu of that.

    Args:
        weight: [out, in]; the function keeps its own copy or layout, so the caller may drop it.
        bias: [out], or None.
        gelu: apply the exact GELU, x · Φ(x) (Hendrycks & Gimpel 2016, arXiv:1606.08415).
    """
    if gelu:
        return lambda rows: F.gelu(F.linear(rows, weight, bias))
    return lambda rows: F.linear(rows, weight, bias)
