"""Put fused layers together from the parts of a model's own."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from cenote.adapters.fused.kinds import Norm
from cenote.adapters.fused.layer import FusedLayer, HeadNorms, normalise
from cenote.adapters.fused.layers import FusedLayers
from cenote.adapters.fused.products import PlainProduct
from cenote.adapters.fused.reading import LayerParts, ModelParts
from cenote.errors import ShapeError
from cenote.kernels.layers import AttentionCall, NormStep
from cenote.kernels.residual_norm.reference import Stream

__all__ = ["assemble"]


def assemble(
    parts: ModelParts, calls: Mapping[nn.Module, list[AttentionCall]], dtype: torch.dtype, device: str
) -> FusedLayers:
    """Return fused layers over the model's own weights.

    A norm after the residual sum belongs to the part that ends in it; one before a part is applied where the part
    before it ends, since that is where the sum is made.

    Raises:
        ShapeError: a layer lacks a norm, or calls attention in ways that differ, or not at all.
    """
    post = parts.layout.is_post_norm
    if post:
        norms = [layer.norms for layer in parts.layers]
    else:
        following = [*(layer.norms[0] for layer in parts.layers[1:]), parts.final]
        norms = [(layer.norms[1], norm) for layer, norm in zip(parts.layers, following, strict=True)]
    layers = []
    for index, (layer, (first, second)) in enumerate(zip(parts.layers, norms, strict=True)):
        if first is None or second is None:
            raise ShapeError(f"layer {index} has no norm where others have one")
        # What leaves the last layer is the stream: in float32, and normalised.
        ending: Stream = "norm" if post or index == len(norms) - 1 else "sum"
        steps = (
            normalise(first, "norm" if post else "sum", dtype, device),
            normalise(second, ending, dtype, device),
        )
        layers.append(_layer(layer, steps, _call(calls.get(layer.attention, [])), device, parts.rotary is not None))
    opening = None if post else parts.layers[0].norms[0]
    start = None if opening is None else normalise(opening, "sum", dtype, device)
    return FusedLayers(layers, first=start, dtype=dtype, rotary=parts.rotary, types=parts.types)


def _layer(
    layer: LayerParts, steps: tuple[NormStep, NormStep], call: AttentionCall, device: str, rotates: bool
) -> FusedLayer:
    query, out, up, down = (PlainProduct(linears) for linears in layer.linears)
    return FusedLayer(
        (query, out, up, down),
        call,
        steps,
        activation=layer.activation,
        gated=layer.gated,
        outputs=tuple(normalise(norm, "norm", torch.float32, device) for norm in layer.outputs),
        heads=_heads(layer.heads),
        rotary=(layer.rotary or "") if rotates else None,
        device=device,
    )


def _heads(norms: tuple[Norm, ...]) -> HeadNorms | None:
    """Return what is known of norms of heads.

    Raises:
        ShapeError: they are of another kind than by the mean square, or unlike each other.
    """
    if not norms:
        return None
    query, key = norms
    if query.weight is None or key.weight is None or query.kind != "rms" or query.eps != key.eps:
        raise ShapeError("queries and keys are normalised in different ways")
    return HeadNorms(query.weight, key.weight, query.eps)


def _call(calls: list[AttentionCall]) -> AttentionCall:
    if not calls or any(call != calls[0] for call in calls[1:]):
        raise ShapeError("a layer does not call attention in one way")
    return calls[0]
