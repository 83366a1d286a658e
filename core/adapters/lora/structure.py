"""The structure of a loaded model without its weights, for peft to put adapters into."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from cenote.adapters.linears import PreparedLinear
from cenote.adapters.lora.layers import LoraLayer

__all__ = ["skeleton"]


def skeleton(model: nn.Module, dtype: torch.dtype, device: str) -> Any:
    """Return modules of the same names and classes, whose weights take no memory.

    Layers that were prepared or already have adapters appear as the linear layers and tables that they stand for.
    The loaded model cannot be used: its weights may be in a kernel's layout, and peft changes what it is given.
    """
    if isinstance(model, LoraLayer):
        return skeleton(model.base, dtype, device)
    if isinstance(model, PreparedLinear):
        with torch.device("meta"):
            layer = nn.Linear(model.in_features, model.out_features, bias=model.has_bias, dtype=dtype)
        return _emptied(layer, dtype, device)
    return _emptied(model, dtype, device)


def _emptied(model: nn.Module, dtype: torch.dtype, device: str) -> nn.Module:
    twin = copy.copy(model)
    names = model.__dict__["_parameters"]
    twin.__dict__["_parameters"] = {name: _hollow(value, device) for name, value in names.items()}
    children = model.__dict__["_modules"]
    twin.__dict__["_modules"] = {
        name: None if child is None else skeleton(child, dtype, device) for name, child in children.items()
    }
    return twin


def _hollow(weight: Tensor | None, device: str) -> nn.Parameter | None:
    """Return a parameter of the same shape and dtype whose values all share one place."""
    if weight is None:
        return None
    return nn.Parameter(torch.zeros((), dtype=weight.dtype, device=device).expand(weight.shape), requires_grad=False)
