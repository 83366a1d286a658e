"""Bias and activation without copies of what is float32 already."""

from __future__ import annotations

import torch
from torch import Tensor

from cenote.kernels.activations import Activation, function_of
from cenote.kernels.bias_act import reference

__all__ = ["bias_act"]


def bias_act(rows: Tensor, bias: Tensor | None, *, activation: Activation, gated: bool = False) -> Tensor:
    """Compute as `reference.bias_act` states it."""
    if rows.dtype != torch.float32:
        return reference.bias_act(rows, bias, activation=activation, gated=gated)
    values = rows if bias is None else rows + bias
    act = function_of(activation)
    if not gated:
        return act(values)
    first, second = values.chunk(2, dim=-1)
    return act(first).mul_(second)
