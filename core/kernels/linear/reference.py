"""The matrix product as torch computes it."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

__all__ = ["prepare_linear"]


def prepare_linear(weight: Tensor, bias: Tensor | None) -> Callable[[Tensor], Tensor]:
    """Return a function from x [..., in] to x · weightᵀ + bias [..., out].

    Args:
        weight: [out, in]; the function keeps its own copy or layout, so the caller may drop it.
        bias: [out], or None.
    """
    return lambda rows: F.linear(rows, weight, bias)
