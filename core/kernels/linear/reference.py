"""The matrix product as torch computes it."""

from __future__ import annotations

from typing import Protocol

import torch.nn.functional as F
from torch import Tensor

__all__ = ["Product", "prepare_linear"]


class Product(Protocol):
    """A product with a weight that is laid out already."""

    def __call__(self, rows: Tensor, *, gelu: bool = False) -> Tensor:
        """Return x · weightᵀ + bias [..., out] of x [..., in], or the exact GELU of that."""
        ...


def prepare_linear(weight: Tensor, bias: Tensor | None) -> Product:
    """Return a function from x [..., in] to x · weightᵀ + bias [..., out].

    With `gelu=True` it applies the exact GELU, x · Φ(x), as well (Hendrycks & Gimpel 2016, arXiv:1606.08415).

    Args:
        weight: [out, in]; the function keeps its own copy or layout, so the caller may drop it.
        bias: [out], or None.
    """

    def apply(rows: Tensor, *, gelu: bool = False) -> Tensor:
        result = F.linear(rows, weight, bias)
        return F.gelu(result) if gelu else result

    return apply
