"""Give the linear layers of a loaded backbone their prepared form, and free the originals."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from cenote.errors import CenoteError
from cenote.kernels import get_kernel

__all__ = ["PreparedLinear", "prepare_linears"]

_log = logging.getLogger(__name__)


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
        return f"{len(originals)} linear layers in the kernel's layout"
    for parent, name, layer in originals:
        setattr(parent, name, layer)
    return "plain linear layers"


def _swap(model: Any) -> list[tuple[nn.Module, str, nn.Linear]]:
    """Swap layers in, and return where the originals were. Subclasses of `nn.Linear` keep their own ways."""
    originals: list[tuple[nn.Module, str, nn.Linear]] = []
    try:
        for parent in list(model.modules()):
            for name, layer in list(parent.named_children()):
                if type(layer) is nn.Linear:
                    product = get_kernel("linear", layer.weight.device.type)(layer.weight, layer.bias)
                    originals.append((parent, name, layer))
                    setattr(parent, name, PreparedLinear(layer, product))
    except CenoteError as exc:
        _log.info("linear layers stay plain: %s", exc)
        for parent, name, layer in originals:
            setattr(parent, name, layer)
        return []
    return originals
