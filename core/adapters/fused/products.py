"""The matrix products of a fused layer: plain ones over the model's own weights, and prepared ones."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cenote.adapters.probes import relative_difference
from cenote.checkpoints.mapped import release
from cenote.errors import CenoteError
from cenote.kernels import kernel_for, raise_if_forced
from cenote.kernels.activations import Activation, function_of
from cenote.kernels.linear.reference import Precision, Product, Quantization

__all__ = ["PlainProduct", "prepare_product"]

_log = logging.getLogger(__name__)

#: Rows that a prepared product is compared on: a few by themselves and then the rest, as these may be multiplied in
#: another way.
_ROWS, _FEW = 56, 8
#: Largest difference, relative to the largest value, of a prepared product from the plain one: a few roundings of the
#: result, and in float32 also of factors that have 16 bits (`precision="high"`).
_TOLERANCE = {torch.float32: 1e-4}
_ROUGH = 3e-2


class PlainProduct:
    """Several linear layers on the same rows, side by side; it holds no weights of its own."""

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        self._layers = tuple(layers)

    def __call__(self, rows: Tensor, *, activation: Activation | None = None) -> Tensor:
        """Return [..., sum of out_features], or the activation of that."""
        parts = [F.linear(rows, layer.weight, layer.bias) for layer in self._layers]
        result = parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)
        return result if activation is None else function_of(activation)(result)

    @property
    def device(self) -> torch.device:
        """Return where the weights are."""
        return self._layers[0].weight.device

    def example(self) -> Tensor:
        """Return [n, in] of fixed random rows."""
        weight = self._layers[0].weight
        rows = torch.randn(_ROWS, weight.shape[1], generator=torch.Generator().manual_seed(23))
        return rows.to(weight.device, weight.dtype)

    def joined(self) -> tuple[Tensor, Tensor | None]:
        """Return the weights [out, in] and biases [out] of all layers as one; a missing bias is zero beside others."""
        weights, biases = [layer.weight.detach() for layer in self._layers], [layer.bias for layer in self._layers]
        weight = weights[0] if len(weights) == 1 else torch.cat(weights)
        if all(bias is None for bias in biases):
            return weight, None
        full = [
            part.new_zeros(len(part)) if bias is None else bias.detach()
            for part, bias in zip(weights, biases, strict=True)
        ]
        return weight, torch.cat(full)

    def release(self) -> None:
        """Let go of the memory of weights that are views of their file; a product that still reads them may."""
        for layer in self._layers:
            release(layer.weight)


def prepare_product(
    plain: PlainProduct, *, quantization: Quantization | None, precision: Precision
) -> Product | PlainProduct:
    """Return the product in a kernel's layout, or the plain one where that gives other numbers.

    What quantisation loses shows in the whole model, and is judged there.
    """
    weight, bias = plain.joined()
    prepare = kernel_for("linear", weight)
    if quantization is not None:
        return prepare(weight, bias, quantization=quantization, precision=precision)  # type: ignore[no-any-return]
    try:
        prepared: Product = prepare(weight, bias, precision=precision)
        rows = plain.example()
        with torch.inference_mode():
            expected, found = plain(rows), torch.cat([prepared(rows[:_FEW]), prepared(rows[_FEW:])])
            difference = relative_difference(found, expected)
    except CenoteError as exc:
        raise_if_forced(exc)
        _log.info("a product stays plain: %s", exc)
        return plain
    if difference <= _TOLERANCE.get(weight.dtype, _ROUGH):
        return prepared
    _log.warning("a product stays plain: prepared, it differs by %.1e of the largest value", difference)
    return plain
