"""Record what goes into the layers of a model, and with which arguments they call the attention function.

What a layer passes on (a window from its config, a scale, whether it looks ahead) is no attribute of it in every
class, and a short sequence would not show it; so the calls themselves are asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

from torch import Tensor, nn

from cenote.adapters.attention import PACKED_ATTENTION, is_causal_call, packed_attention
from cenote.errors import ShapeError
from cenote.kernels.layers import AttentionCall

__all__ = ["Inputs", "ModuleCall", "record_attention", "record_inputs"]

_NAME = "cenote_recorded"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ModuleCall:
    """One call of a module.

    Attributes:
        args: positional arguments.
        kwargs: arguments by name.
        output: what it gave.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    output: Any


@dataclass(frozen=True, slots=True)
class Inputs:
    """What went into the layers of a model when it ran.

    Attributes:
        layers: the call of each layer; of several, the one with the most rows.
        angles: all calls of the module for rotary angles.
    """

    layers: dict[nn.Module, ModuleCall] = field(default_factory=dict)
    angles: list[ModuleCall] = field(default_factory=list)


_CALLS: ContextVar[dict[nn.Module, list[AttentionCall]] | None] = ContextVar("attention_calls", default=None)


def record_attention(model: Any, run: Callable[[], _T]) -> tuple[_T, dict[nn.Module, list[AttentionCall]]]:
    """Run a packed model once, and return what it gave and the calls of each of its attention layers.

    Args:
        model: transformers base model that runs with `PACKED_ATTENTION`.
        run: runs it.
    """
    from transformers import AttentionInterface

    AttentionInterface.register(_NAME, _recording)
    calls: dict[nn.Module, list[AttentionCall]] = {}
    token = _CALLS.set(calls)
    model.set_attn_implementation(_NAME)
    try:
        return run(), calls
    finally:
        model.set_attn_implementation(PACKED_ATTENTION)
        _CALLS.reset(token)


@contextmanager
def record_inputs(layers: Sequence[nn.Module], rotary: nn.Module | None) -> Iterator[Inputs]:
    """Record the calls of layers, and of the module for rotary angles, inside the block."""
    inputs = Inputs()

    def of_layer(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        known = inputs.layers.get(module)
        if isinstance(output, Tensor) and (known is None or output.numel() > known.output.numel()):
            inputs.layers[module] = ModuleCall(args, kwargs, output)

    def of_rotary(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        inputs.angles.append(ModuleCall(args, kwargs, output))

    hooks = [layer.register_forward_hook(of_layer, with_kwargs=True) for layer in layers]
    if rotary is not None:
        hooks.append(rotary.register_forward_hook(of_rotary, with_kwargs=True))
    try:
        yield inputs
    finally:
        for hook in hooks:
            hook.remove()


def _recording(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **arguments: Any,
) -> tuple[Tensor, None]:
    """Attend as `packed_attention` does, and take note.

    Raises:
        ShapeError: heads of queries, keys and values are of different sizes, or nobody is recording.
    """
    calls, sizes = _CALLS.get(), {part.shape[-1] for part in (query, key, value)}
    if calls is None or len(sizes) != 1:
        raise ShapeError("Attention was not recorded: its heads are of different sizes, or it runs at another time.")
    call = AttentionCall(
        heads=query.shape[1],
        kv_heads=key.shape[1],
        size=query.shape[-1],
        scale=query.shape[-1] ** -0.5 if scaling is None else scaling,
        causal=is_causal_call(module, arguments.get("is_causal"), arguments.get("packed_causal", True)),
        window=arguments.get("sliding_window"),
        softcap=arguments.get("softcap"),
        sinks=arguments.get("s_aux"),
    )
    calls.setdefault(module, []).append(call)
    return packed_attention(module, query, key, value, attention_mask, scaling, dropout, **arguments)
