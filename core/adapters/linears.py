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
from cenote.kernels.linear.reference import Product

__all__ = ["PreparedLinear", "prepare_linears"]

_log = logging.getLogger(__name__)

#: Linear layers of transformers' encoders whose result goes straight into the activation of this attribute.
_ACTIVATION_OF = {"dense": "intermediate_act_fn", "lin1": "activation"}


class PreparedLinear(nn.Module):
    """A linear layer whose weight lives in the layout of a kernel.

    Attributes:
        in_features: width of its input.
        out_features: width of its result, [..., out_features].
        has_bias: the product adds a bias.
    """

    def __init__(self, layer: nn.Linear, product: Product) -> None:
        super().__init__()
        self.in_features = layer.in_features
        self.out_features = layer.out_features
        self.has_bias = layer.bias is not None
        self._product = product
        # In a tuple, because a module that is an attribute would become a child, and the parent is no child.
        self._activation: tuple[nn.Module, str, nn.Module] | None = None
        self._fused = False

    def forward(self, rows: Tensor) -> Tensor:
        """Return [..., out_features] of [..., in_features]."""
        return self._product(rows, gelu=self._fused)

    def take_over(self, parent: nn.Module, attribute: str) -> None:
        """Compute the exact GELU that `parent.attribute` applies to the result, in the same step."""
        self._activation = (parent, attribute, getattr(parent, attribute))
        self.fuse()

    def fuse(self) -> None:
        """Compute the activation here, where there is one; nothing may come between it and the product."""
        if self._activation is not None:
            parent, attribute, _ = self._activation
            setattr(parent, attribute, nn.Identity())
            self._fused = True

    def unfuse(self) -> None:
        """Give the activation back to the parent, so that something can be added before it."""
        if self._activation is not None:
            parent, attribute, activation = self._activation
            setattr(parent, attribute, activation)
            self._fused = False


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
                    prepare = get_kernel("linear", layer.weight.device.type)
                    prepared = PreparedLinear(layer, prepare(layer.weight, layer.bias))
                    originals.append((parent, name, layer))
                    setattr(parent, name, prepared)
                    activation = _gelu_after(parent, name)
                    if activation is not None:
                        originals.append((parent, activation, getattr(parent, activation)))
                        prepared.take_over(parent, activation)
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
