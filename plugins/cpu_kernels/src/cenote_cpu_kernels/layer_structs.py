"""The structures of `native/layers.h`."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from cenote.kernels.layers import Layer, NormStep
from cenote_cpu_kernels.calls import ACTIVATIONS, address, float_vector

__all__ = ["AngleStruct", "CallStruct", "LayerStruct", "layer_struct"]

_Pointer, _Size, _Int, _Float = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32, ctypes.c_float


class NormStruct(ctypes.Structure):
    """`LayerNorm`."""

    _fields_ = (("weight", _Pointer), ("bias", _Pointer), ("eps", _Float), ("layer", _Int), ("carries_norm", _Int))


class LayerStruct(ctypes.Structure):
    """`Layer`."""

    _fields_ = (
        *((name, _Pointer) for name in ("qkv", "out", "up", "down")),
        ("norms", NormStruct * 2),
        ("sinks", _Pointer),
        *((name, _Size) for name in ("heads", "key_heads", "size", "window")),
        ("scale", _Float),
        ("softcap", _Float),
        *((name, _Int) for name in ("causal", "activation", "gated", "rotary")),
    )


class AngleStruct(ctypes.Structure):
    """`Angles`."""

    _fields_ = (("cosines", _Pointer), ("sines", _Pointer), ("turned", _Size))


class CallStruct(ctypes.Structure):
    """`LayersCall`."""

    _fields_ = (
        ("layers", _Pointer),
        *((name, _Size) for name in ("count", "tokens", "width")),
        *((name, _Pointer) for name in ("normed", "stream", "result", "following", "interrupt")),
        ("least", _Size),
        *((name, _Pointer) for name in ("starts", "keys")),
        ("sequences", _Size),
        ("angles", _Pointer),
        *((name, _Int) for name in ("dtype", "level", "threads")),
    )


def layer_struct(layer: Layer, products: Sequence[int], places: Mapping[str, int], kept: list[Any]) -> LayerStruct:
    """Return what is the same for every batch of a layer.

    Args:
        layer: whose products are packed.
        products: their addresses.
        places: of angles, by name.
        kept: tensors that must live as long as the structure are appended.
    """

    def vector(tensor: Tensor | None) -> int | None:
        found = float_vector(tensor)
        kept.append(found)
        return address(found)

    def norm(step: NormStep) -> NormStruct:
        return NormStruct(vector(step.weight), vector(step.bias), step.eps, step.kind == "layer", step.stream == "norm")

    call = layer.call
    return LayerStruct(
        *products,
        (NormStruct * 2)(*map(norm, layer.norms)),
        vector(call.sinks),
        call.heads,
        call.kv_heads,
        call.size,
        call.window or 0,
        call.scale,
        call.softcap or 0.0,
        call.causal,
        ACTIVATIONS[layer.activation],
        layer.gated,
        -1 if layer.rotary is None else places[layer.rotary],
    )
