"""Swap a model's layers for fused ones, proven on the model's own weights."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cenote.adapters.backbone import PackedBackbone
from cenote.adapters.fused.assembling import assemble
from cenote.adapters.fused.direct import take_direct_way
from cenote.adapters.fused.joining import join_layers
from cenote.adapters.fused.layer import FusedLayer
from cenote.adapters.fused.layers import FusedLayers, PassedPositions
from cenote.adapters.fused.products import prepare_product
from cenote.adapters.fused.proof import prove_layers
from cenote.adapters.fused.reading import ModelParts, read_model
from cenote.adapters.fused.recording import record_attention, record_inputs
from cenote.adapters.linears import judge_quantised
from cenote.adapters.probes import relative_difference, tolerance
from cenote.errors import ShapeError
from cenote.kernels import backend_of, devices, raise_if_forced
from cenote.kernels.linear.reference import Precision, Quantization

__all__ = ["fuse_layers"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a module is in a model."""

    parent: nn.Module
    name: str

    @classmethod
    def of(cls, base: nn.Module, path: str) -> _Place:
        parent, _, name = path.rpartition(".")
        return cls(base.get_submodule(parent), name)

    def put(self, module: nn.Module | None) -> nn.Module:
        """Put a module there, or none, and return what was there."""
        original: nn.Module = getattr(self.parent, self.name)
        setattr(self.parent, self.name, module)
        return original


def fuse_layers(
    base: Any,
    check: Callable[[], Tensor],
    *,
    backbone: PackedBackbone | None = None,
    quantization: Quantization | None = None,
    precision: Precision = "highest",
) -> str:
    """Swap the layers of a packed base model for fused ones, where their structure is known and the numbers agree.

    The structure is proven with plain products over the model's own weights. Then each product is brought into its
    kernel's layout, and the model's own weight freed, one after the other, so that no more than one exists twice.
    In a 16-bit dtype the fused layers keep norms and the residual stream in float32, which the model's own do not;
    there, the hidden states may differ by the rounding of the dtype (`probes.tolerance`), which would hide a wrong
    detail, and each layer is proven by itself in float32 (`proof`).

    Args:
        base: transformers base model, in evaluation mode, that runs with `PACKED_ATTENTION`.
        check: runs it packed on fixed sequences, and gives their hidden states.
        backbone: what runs it, which then takes the shortest way through the layers (`direct`) if that is exact.
        quantization: of products, as `prepare_linear` has it.
        precision: likewise.

    Returns:
        In words, what was done.

    Raises:
        InvalidRequest: quantisation moves the hidden states too far.
    """
    try:
        parts = read_model(base)
        layers = list(base.get_submodule(parts.layout.layers))
        with record_inputs(layers, parts.rotary) as inputs:
            expected, calls = record_attention(base, check)
        device = devices.device_type_of(next(base.parameters()))
        if base.dtype != torch.float32:
            prove_layers(base, parts, calls, inputs, device)
        fused = assemble(parts, calls, base.dtype, device)
        _install(base, parts, fused, check, expected)
    except ShapeError as exc:
        _log.info("layers are not fused: %s", exc)
        return f"layers as in transformers ({exc})"
    if backbone is not None:
        take_direct_way(base, fused, backbone, check, device)
    del parts, calls, layers, inputs  # the last to hold the model's own layers
    prepared = sum(_prepare(layer, quantization, precision) for layer in fused.layers)
    joined = ", joined" if join_layers(fused, check, base.dtype, device) else ""
    done = f"{len(fused.layers)} fused layers{joined}, {prepared} products of linear:{backend_of('linear', device)}"
    return done if quantization is None else f"{done}, as {judge_quantised(quantization, check(), expected)}"


def _install(base: Any, parts: ModelParts, fused: FusedLayers, check: Callable[[], Tensor], expected: Tensor) -> None:
    """Put fused layers in place, provided that results stay equal.

    Raises:
        ShapeError: they do not; then everything is as it was.
    """
    places: list[tuple[_Place, nn.Module | None]] = [(_Place.of(base, parts.layout.layers), nn.ModuleList([fused]))]
    if parts.rotary is not None:
        places.append((_Place.of(base, "rotary_emb"), PassedPositions()))
    if parts.layout.final:
        places.append((_Place.of(base, parts.layout.final), nn.Identity()))
    if isinstance(getattr(base, "pooler", None), nn.Module):
        # It would pool the first token of a whole row; a classifier's head has a copy of its own (`classify_replay`).
        places.append((_Place(base, "pooler"), None))
    originals = [(place, place.put(module)) for place, module in places]
    try:
        difference = relative_difference(check(), expected)
        reason = f"fused, they differ by {difference:.1e} of the largest value"
    except Exception as exc:
        raise_if_forced(exc)
        # A foreign model may raise anything; it means that its layers are called in another way than is known.
        difference, reason = float("inf"), f"fused, they raised {type(exc).__name__}: {exc}"
    if not difference <= tolerance(base.dtype):
        for place, module in originals:
            place.put(module)
        raise ShapeError(reason)


def _prepare(layer: FusedLayer, quantization: Quantization | None, precision: Precision) -> int:
    """Bring a layer's products into their kernel's layout, and return how many took it."""
    count = 0
    for name in ("qkv", "out", "up", "down"):
        plain = getattr(layer, name)
        prepared = prepare_product(plain, quantization=quantization, precision=precision)
        setattr(layer, name, prepared)
        plain.release()
        count += prepared is not plain
    return count
