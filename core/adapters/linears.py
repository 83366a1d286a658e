"""Give the linear layers of a loaded backbone their prepared form, and free the originals."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cenote.adapters.probes import relative_difference
from cenote.checkpoints.mapped import release
from cenote.errors import CenoteError, InvalidRequest
from cenote.kernels import kernel_for, raise_if_forced
from cenote.kernels.linear.reference import Precision, Product, Quantization

__all__ = ["PreparedLinear", "judge_quantised", "prepare_linears", "refuse_quantization"]

_log = logging.getLogger(__name__)

#: Linear layers of transformers' encoders whose result goes straight into the activation of this attribute.
_ACTIVATION_OF = {"dense": "intermediate_act_fn", "lin1": "activation"}
#: Least cosine of a hidden state of the quantised model to that of the model as it is; below, results are of no use.
_NEAREST = 0.8


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
        return self._product(rows, activation="gelu" if self._fused else None)

    def quantise(self, layer: nn.Linear, quantization: Quantization) -> None:
        """Take the quantised product of the layer that this one stands for."""
        prepare = kernel_for("linear", layer.weight)
        self._product = prepare(layer.weight, layer.bias, quantization=quantization)

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


def prepare_linears(
    model: Any,
    check: Callable[[], Tensor],
    *,
    quantization: Quantization | None = None,
    precision: Precision = "highest",
) -> str:
    """Replace every plain linear layer of a model, provided that its results stay equal, and then quantise them.

    Args:
        model: transformers base model, in evaluation mode.
        check: runs the model on fixed input.
        quantization: as `prepare_linear` has it.
        precision: likewise.

    Returns:
        In words, what was done.

    Raises:
        InvalidRequest: quantisation was asked for, and the model or device does not take it.
    """
    refuse_quantization(model, quantization)
    expected = check()
    originals = _swap(model, precision)
    layers = [(getattr(parent, name), layer) for parent, name, layer in originals if isinstance(layer, nn.Linear)]
    if layers and _equal(check, expected, model.dtype):
        if quantization is None:
            return f"{len(layers)} linear layers in the kernel's layout"
        return _quantise(layers, quantization, check, expected)
    _restore(originals)
    if quantization is not None:
        text = f"quantization={quantization!r} was asked for, and this model has no linear layers that take it."
        raise InvalidRequest(f"{text} Leave it out.", param="quantization")
    return "plain linear layers"


def refuse_quantization(model: Any, quantization: Quantization | None) -> None:
    """Refuse to quantise a model where that is not offered.

    Raises:
        InvalidRequest: it is asked for, and the model is not on a CPU.
    """
    device = next((parameter.device.type for parameter in model.parameters()), "cpu")
    if quantization is not None and device != "cpu":
        text = f"quantization={quantization!r} is offered on CPUs only; this model runs on {device}. Leave it out."
        raise InvalidRequest(text, param="quantization")


def _equal(check: Callable[[], Tensor], expected: Tensor, dtype: torch.dtype) -> bool:
    try:
        difference = relative_difference(check(), expected)
    except Exception as exc:
        raise_if_forced(exc)
        # A model that reads its layers' weights directly cannot use prepared ones; any failure means that.
        _log.info("linear layers stay plain: %s: %s", type(exc).__name__, exc)
        return False
    return difference <= (1e-4 if dtype == torch.float32 else 8e-2)


def _quantise(
    layers: list[tuple[PreparedLinear, nn.Linear]],
    quantization: Quantization,
    check: Callable[[], Tensor],
    expected: Tensor,
) -> str:
    """Quantise layers that were proven to be in the right places; say how far the hidden states moved."""
    for prepared, layer in layers:
        prepared.quantise(layer, quantization)
    return f"{len(layers)} linear layers as {judge_quantised(quantization, check(), expected)}"


def judge_quantised(quantization: Quantization, found: Tensor, expected: Tensor) -> str:
    """Say how far quantisation moved the hidden states of a model.

    Args:
        quantization: what was done.
        found: [T, h] hidden states of the quantised model.
        expected: [T, h] those of the model as it is.

    Raises:
        InvalidRequest: so far that they are of no use.
    """
    nearness = F.cosine_similarity(found.float(), expected.float(), dim=-1)
    if not bool((nearness >= _NEAREST).all()):
        text = (
            f"quantization={quantization!r} was asked for, and hidden states of this model then reach a cosine of only "
            f"{float(nearness.min()):.3f} to its own (needed: {_NEAREST}). Leave it out, or take dtype='bfloat16'."
        )
        raise InvalidRequest(text, param="quantization")
    least = math.floor(float(nearness.min()) * 1e4) / 1e4
    return f"{quantization} (least cosine of hidden states {least:.4f})"


def _swap(model: Any, precision: Precision) -> list[tuple[nn.Module, str, nn.Module]]:
    """Swap layers in, and return what was where. Subclasses of `nn.Linear` keep their own ways."""
    originals: list[tuple[nn.Module, str, nn.Module]] = []
    try:
        for parent in list(model.modules()):
            for name, layer in list(parent.named_children()):
                if type(layer) is nn.Linear:
                    prepare = kernel_for("linear", layer.weight)
                    prepared = PreparedLinear(layer, prepare(layer.weight, layer.bias, precision=precision))
                    originals.append((parent, name, layer))
                    setattr(parent, name, prepared)
                    release(layer.weight)
                    activation = _gelu_after(parent, name)
                    if activation is not None:
                        originals.append((parent, activation, getattr(parent, activation)))
                        prepared.take_over(parent, activation)
    except CenoteError as exc:
        raise_if_forced(exc)
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
