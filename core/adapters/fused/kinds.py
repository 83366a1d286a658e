"""Tell what a norm or an activation is by what it computes: names and classes are many, and do not say it."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cenote.kernels.activations import Activation, function_of
from cenote.kernels.residual_norm.reference import Kind

__all__ = ["Norm", "activation_of", "norm_of"]

#: Names under which norms by the mean square keep the number that is added to it.
_EPSILONS = ("eps", "variance_epsilon")


@dataclass(frozen=True, slots=True)
class Norm:
    """What `residual_norm` needs of a norm.

    Attributes:
        kind: as the operator has it.
        weight: [h] float32, or None.
        bias: [h] float32, or None.
        eps: as the operator has it.
    """

    kind: Kind
    weight: Tensor | None
    bias: Tensor | None
    eps: float


def activation_of(module: nn.Module) -> Activation | None:
    """Return the name of an activation, or None where it is none that operators know."""
    points = torch.linspace(-16, 16, 1025)
    try:
        values = module(points.clone())
    except Exception:
        return None  # it wants something else than one tensor, so it is another kind of module
    for name in get_args(Activation):
        if torch.allclose(values, function_of(name)(points), rtol=1e-5, atol=1e-6):
            return name  # type: ignore[no-any-return]
    return None


def norm_of(module: nn.Module) -> Norm | None:
    """Return what a norm computes, or None where it is none that the operator knows.

    A norm by the mean square multiplies with its weight, or with 1 + weight (Gemma); which of them is tried out.
    """
    if type(module) is nn.LayerNorm:
        return None if len(module.normalized_shape) != 1 else _layer_norm(module)
    weight, epsilons = getattr(module, "weight", None), [name for name in _EPSILONS if hasattr(module, name)]
    if not isinstance(weight, Tensor) or weight.dim() != 1 or len(list(module.parameters())) != 1 or not epsilons:
        return None
    eps = float(getattr(module, epsilons[0]))
    generator = torch.Generator().manual_seed(22)
    rows = torch.randn(4, len(weight), generator=generator) * torch.tensor([[1e-3], [0.1], [1.0], [30.0]])
    rows = rows.to(weight.device)
    with torch.inference_mode():
        values, factor = deepcopy(module).float()(rows), weight.detach().float()
        for candidate in (factor, 1.0 + factor):
            if torch.allclose(values, F.rms_norm(rows, rows.shape[-1:], candidate, eps), rtol=1e-5, atol=1e-6):
                return Norm("rms", candidate.clone(), None, eps)
    return None


def _layer_norm(module: nn.LayerNorm) -> Norm:
    weight, bias = (None if value is None else value.detach().float() for value in (module.weight, module.bias))
    return Norm("layer", weight, bias, module.eps)
