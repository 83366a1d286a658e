"""Give the linear layers of a loaded backbone their prepared form, and free the originals."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cenote.errors import CenoteError
from cenote.kernels import get_kernel

__all__ = ["PreparedLinear", "prepare_linears"]

_log = logging.getLogger(__name__)

#: Linear layers of transformers' encoders whose result goes straight into the activation of this attribute.
_ACTIVATION_OF = {"dense": "intermediate_act_fn", "lin1": "activation"}


class PreparedLinear(nn.Module):
    """A linear layer whose weight lives in the layout of a kernel."""

    def __init__(self, layer: nn.Linear, product: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.in_features = layer.in_features
        self.out_features = layer.out_features
        self._product = product

    def forward(self, rows: Tensor) -> Tensor:
        """Return [..., out_features] of [..., in_features]."""
        return self._product(rows)


def prepare_linears(model: Any, check: Callable[[], Tensor]) -> str:
    """Replace every plain linear layer of a model, provided that its results stay equal.

    Args:
        model: transformers base model on a CPU, in evaluation mode.
        check: runs the model on fixed input.

    Returns:
        In words, what was done.
    """
    expected = check()
    originals = _swap(model)
    if not originals:
        return "plain linear layers"
    try:
        difference = float((check() - expected).abs().max() / expected.abs().max().clamp_min(1e-6))
    except Exception as exc:
        # A model that reads its layers' weights directly cannot use prepared ones; any failure means that.
        _log.info("linear layers stay plain: %s: %s", type(exc).__name__, exc)
        difference = float("inf")
    if difference <= (1e-4 if model.dtype == torch.float32 else 8e-2):
        count = sum(isinstance(module, nn.Linear) for _, _, module in originals)
        return f"{count} linear layers in the kernel's layout"
    _restore(originals)
    return "plain linear layers"


def _swap(model: Any) -> list[tuple[nn.Module, str, nn.Module]]:
    """Swap layers in, and return what was where. Subclasses of `nn.Linear` keep their own ways."""
    originals: list[tuple[nn.Module, str, nn.Module]] = []
    try:
        for parent in list(model.modules()):
            for name, layer in list(parent.named_children()):
                if type(layer) is nn.Linear:
                    activation = _gelu_after(parent, name)
                    prepare = get_kernel("linear", layer.weight.device.type)
                    product = prepare(layer.weight, layer.bias, gelu=activation is not None)
                    originals.append((parent, name, layer))
                    setattr(parent, name, PreparedLinear(layer, product))
                    if activation is not None:
                        originals.append((parent, activation, getattr(parent, activation)))
                        setattr(parent, activation, nn.Identity())
    except CenoteError as exc:
        _log.info("linear layers stay plain: %s", exc)
        _restore(originals)
        return []
    return originals


def _gelu_after(parent: nn.Module, name: str) -> str | None:
    """Return the attribute of an exact GELU that a parent applies right after a layer, where it is known to."""
    attribute = _ACTIVATION_OF.get(name)
    activation = getattr(parent, attribute, None) if attribute else None
    if isinstance(activation, nn.GELU):
        return attribute if activation.approximate == "none" else None
    return attribute if getattr(activation, "act", None) is F.gelu else None  # transformers' GELUActivation


def _restore(originals: list[tuple[nn.Module, str, nn.Module]]) -> None:
    for parent, name, module in originals:
        setattr(parent, name, module)
