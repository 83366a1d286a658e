"""Whole layers as one call of the compiled object, where every operator in them is `native`."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from cenote.errors import MissingDependency, ShapeError
from cenote.kernels.interrupt import Interrupt
from cenote.kernels.layers import Angles, Joined, Layer
from cenote.kernels.memory import empty
from cenote_cpu_kernels.activation import bias_act
from cenote_cpu_kernels.attention import borders, varlen_attention
from cenote_cpu_kernels.calls import ACTIVATIONS, DTYPES, address, fits
from cenote_cpu_kernels.layer_structs import AngleStruct, CallStruct, LayerStruct, layer_struct
from cenote_cpu_kernels.library import LEVELS, level, library
from cenote_cpu_kernels.norm import residual_norm
from cenote_cpu_kernels.rotary import rotary

__all__ = ["join_layers"]

_FAILURES = {1: "Compiled layers need avx2; the level is {}.", 2: "There is no memory for layers ({})."}


def join_layers(layers: Sequence[Layer]) -> Joined | None:
    """Return layers as one function; None where an operator in them is another backend's, or left to one by this.

    Results are those of the operators, bit by bit.
    """
    packed: list[tuple[Any, ...]] = [
        tuple(getattr(product, "packed", None) for product in layer.products) for layer in layers
    ]
    dtypes = {norm.dtype for layer in layers for norm in layer.norms}
    if not layers or any(None in four for four in packed) or len(dtypes) != 1 or not dtypes <= set(DTYPES):
        return None
    width = packed[0][0].shape[1]
    shapes = ([product.shape for product in four] for four in packed)
    if not all(_is_taken(layer, sizes, width) for layer, sizes in zip(layers, shapes, strict=True)):
        return None
    return _JoinedLayers(layers, packed, width, dtypes.pop())


def _is_taken(layer: Layer, shapes: Sequence[tuple[int, int]], width: int) -> bool:
    """Tell whether the operators of a layer are all of this package, and its sizes fit together."""
    used = [(layer.attention, varlen_attention), *((norm.kernel, residual_norm) for norm in layer.norms)]
    used += [(layer.gate, bias_act)] if layer.gated else []
    used += [] if layer.rotary is None else [(layer.rotate, rotary)]
    if not all(own in (kernel, getattr(kernel, "__wrapped__", None)) for kernel, own in used):
        return False
    call = layer.call
    all_heads, heads = (call.heads + 2 * call.kv_heads) * call.size, call.heads * call.size
    inner = shapes[3][1]
    expected = [(all_heads, width), (width, heads), (inner * (2 if layer.gated else 1), width), (width, inner)]
    vectors = all(fits(vector, width) for norm in layer.norms for vector in (norm.weight, norm.bias))
    usual = call.scale > 0 and all(limit is None or limit > 0 for limit in (call.window, call.softcap))
    known = layer.activation in ACTIVATIONS and call.heads % call.kv_heads == 0 and fits(call.sinks, call.heads)
    return list(shapes) == expected and vectors and usual and known


class _JoinedLayers:
    """Layers, with everything that a batch does not change in the form that the compiled object reads."""

    def __init__(
        self, layers: Sequence[Layer], packed: Sequence[tuple[Any, ...]], width: int, dtype: torch.dtype
    ) -> None:
        self._width, self._dtype = width, dtype
        self._turned = list(dict.fromkeys(layer.rotary for layer in layers if layer.rotary is not None))
        self._size = min(layer.call.size for layer in layers)
        #: Of each layer, whether the stream that leaves it is its normed values too.
        self._same = [dtype == torch.float32 and layer.norms[1].stream == "norm" for layer in layers]
        #: What the addresses in the structures lead to.
        self._kept: list[Any] = [packed]
        places = {name: place for place, name in enumerate(self._turned)}
        made = [
            layer_struct(layer, [product.handle for product in four], places, self._kept)
            for layer, four in zip(layers, packed, strict=True)
        ]
        self._structs = (LayerStruct * len(made))(*made)
        self._run = library().cenote_layers
        self._level = level()

    def __call__(
        self,
        normed: Tensor,
        stream: Tensor,
        *,
        lengths: Sequence[int],
        key_lengths: Sequence[int],
        angles: Mapping[str, Angles],
        first: int = 0,
        interrupt: Interrupt | None = None,
    ) -> tuple[Tensor, Tensor, int]:
        """Run the layers as `cenote.kernels.layers.Joined` says.

        Raises:
            ShapeError: tensors and lengths do not fit together, or are not on the CPU.
            MissingDependency: there is no memory.
        """
        rows, starts, keys = borders(tuple(lengths), tuple(key_lengths))
        self._check(normed, stream, rows)
        turned = [self._angles(angles, name, rows) for name in self._turned]
        normed, stream = normed.contiguous(), stream.contiguous()
        result = empty((rows, self._width))
        following = None if interrupt is None else empty((rows, self._width), self._dtype)
        call = CallStruct(
            ctypes.addressof(self._structs[first]),
            len(self._structs) - first,
            rows,
            self._width,
            normed.data_ptr(),
            stream.data_ptr(),
            result.data_ptr(),
            address(following),
            None if interrupt is None else ctypes.addressof(interrupt.flag),
            0 if interrupt is None else interrupt.least,
            ctypes.addressof(starts),
            keys,
            len(lengths),
            0,
            DTYPES[self._dtype],
            self._level,
            torch.get_num_threads(),
        )
        if turned:
            made = [AngleStruct(address(cosines), address(sines), cosines.shape[1]) for cosines, sines in turned]
            structs = (AngleStruct * len(made))(*made)
            call.angles = ctypes.addressof(structs)
        failure = self._run(ctypes.byref(call)) if rows else 0
        if failure:
            raise MissingDependency(_FAILURES[failure].format(LEVELS[self._level]))
        end = first + call.count
        return (result if self._same[end - 1] else normed if following is None else following), result, end

    def _check(self, normed: Tensor, stream: Tensor, rows: int) -> None:
        alike = fits(normed, rows, self._width) and fits(stream, rows, self._width)
        if not alike or normed.dtype != self._dtype or stream.dtype != torch.float32:
            raise ShapeError(
                f"Layers over {rows} tokens take {self._dtype} rows and a float32 stream of {self._width} numbers on "
                f"the CPU; these are {list(normed.shape)} of {normed.dtype} on {normed.device}, and "
                f"{list(stream.shape)} of {stream.dtype} on {stream.device}."
            )

    def _angles(self, angles: Mapping[str, Angles], name: str, rows: int) -> Angles:
        """Return cosines and sines [T, r] as the compiled object reads them."""
        found = angles.get(name, ())
        shapes = [list(part.shape) for part in found]
        turned = shapes[0][-1] if shapes and shapes[0] else 0
        if shapes != [[rows, turned]] * 2 or turned % 2 or turned > self._size or not all(map(_on_cpu, found)):
            raise ShapeError(f"Angles {name!r} of {rows} tokens are [T, at most {self._size}], not of shapes {shapes}.")
        cosines, sines = (part.float().contiguous() for part in found)
        return cosines, sines


def _on_cpu(tensor: Tensor) -> bool:
    return tensor.is_cpu
