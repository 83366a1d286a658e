"""Prove fused layers in float32, one by one, where a model's own dtype would hide what is wrong.

In bfloat16 another approximation of GELU, or a scale that is 5 % too large, changes hidden states by less than rounding
may. So one layer of each kind that the model has runs once more on what went into it, in float32, and beside it the
fused one over the same weights. Layers of one kind are alike in everything but the values of their weights. Only one
layer's weights exist in float32 at a time.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from cenote.adapters.fused.assembling import assemble
from cenote.adapters.fused.reading import ModelParts
from cenote.adapters.fused.recording import Inputs, ModuleCall
from cenote.adapters.probes import relative_difference
from cenote.errors import ShapeError
from cenote.kernels import raise_if_forced
from cenote.kernels.layers import AttentionCall

__all__ = ["NEAREST", "in_float32", "prove_layers"]

#: Largest difference of one layer, relative to its largest value. Correct ones stay below 1e-6.
NEAREST = 2e-5
#: The argument by which layers get rotary angles.
_ANGLES = "position_embeddings"


def prove_layers(
    base: Any, parts: ModelParts, calls: Mapping[nn.Module, list[AttentionCall]], inputs: Inputs, device: str
) -> None:
    """Compare the first layer of each kind, and the last one, with the fused one, in float32.

    Args:
        base: transformers base model that runs with `PACKED_ATTENTION`, with its own layers.
        parts: what was read of it.
        calls: of attention, by layer of attention.
        inputs: what went into its layers.
        device: whose kernels are taken.

    Raises:
        ShapeError: a layer cannot be run again, or gives something else; says which.
    """
    modules = list(base.get_submodule(parts.layout.layers))
    final = base.get_submodule(parts.layout.final) if parts.layout.final else None
    attention = [tuple(calls.get(layer.attention, ())) for layer in parts.layers]
    kinds = list(zip(map(_kind, modules), attention, strict=True))
    for index in sorted({*(kinds.index(kind) for kind in kinds), len(modules) - 1}):
        module, following = modules[index], None
        if not parts.layout.is_post_norm:
            last = index == len(modules) - 1
            following = final if last else modules[index + 1].get_submodule(parts.layout.norms[0])
        try:
            difference = _difference(_only(parts, index), calls, inputs, (module, following), device)
            reason = f"fused and in float32, layer {index} differs by {difference:.1e} of the largest value"
        except Exception as exc:
            raise_if_forced(exc)
            # A foreign layer may raise anything; it means that it is called in another way than is known.
            difference, reason = float("inf"), f"in float32, layer {index} raised {type(exc).__name__}: {exc}"
        if not difference <= NEAREST:
            raise ShapeError(reason)


def _kind(layer: nn.Module) -> tuple[Any, ...]:
    """Return all that a layer is, except its place and the values of its weights."""
    plain = bool | int | float | str | None
    return tuple(
        (
            path,
            type(module),
            tuple(item for item in vars(module).items() if isinstance(item[1], plain) and item[0] != "layer_idx"),
            tuple((name, None if value is None else value.shape) for name, value in module._parameters.items()),
        )
        for path, module in layer.named_modules()
    )


def _only(parts: ModelParts, index: int) -> ModelParts:
    """Return the parts of a model that has one layer of another, and the norm that follows it."""
    layer, final = parts.layers[index], None
    if not parts.layout.is_post_norm:
        final = parts.final if index == len(parts.layers) - 1 else parts.layers[index + 1].norms[0]
    types = () if parts.rotary is None else (layer.rotary,)
    return replace(parts, layers=(layer,), types=types, final=final)


def _difference(
    parts: ModelParts,
    calls: Mapping[nn.Module, list[AttentionCall]],
    inputs: Inputs,
    modules: tuple[nn.Module, nn.Module | None],
    device: str,
) -> float:
    """Return how far the fused layer and a layer with the norm that follows it differ, of the largest value."""
    layer, following = modules
    call = inputs.layers[layer]
    args, kwargs = _floats(call)
    own, fused = dict(kwargs), dict(kwargs)
    if parts.rotary is not None:
        own[_ANGLES], fused[_ANGLES] = _angles(parts.rotary, inputs, call.kwargs[_ANGLES])
    held = [*layer.modules(), *(() if following is None else (following,))]
    with in_float32(held), torch.inference_mode():
        expected = layer(*args, **own)
        if following is not None:
            expected = following(expected)
        found: Tensor = assemble(parts, calls, torch.float32, device)(*args, **fused)
        return relative_difference(found, expected)


def _floats(call: ModuleCall) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of a call with tensors of numbers in float32."""
    return tuple(_float(value) for value in call.args), {name: _float(value) for name, value in call.kwargs.items()}


def _float(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.is_floating_point() else value


def _angles(rotary: nn.Module, inputs: Inputs, given: tuple[Tensor, Tensor]) -> tuple[Any, Tensor]:
    """Return the angles that a layer was given, in float32, and the positions [1, T] that they were made of."""
    call = next(call for call in inputs.angles if call.output[0] is given[0])
    args, kwargs = _floats(call)
    positions: Tensor = inspect.signature(rotary.forward).bind(*args, **kwargs).arguments["position_ids"]
    with torch.inference_mode():
        return rotary(*args, **kwargs), positions


@contextmanager
def in_float32(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Let the parameters and buffers that modules themselves hold be float32 inside the block."""
    tensors = [
        tensor
        for module in modules
        for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False))
        if tensor.is_floating_point() and tensor.dtype != torch.float32
    ]
    originals = [tensor.data for tensor in tensors]
    try:
        for tensor, original in zip(tensors, originals, strict=True):
            tensor.data = original.float()
        yield
    finally:
        for tensor, original in zip(tensors, originals, strict=True):
            tensor.data = original
