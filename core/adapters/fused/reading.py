"""Read the layers of a loaded transformers model: which parts they have, or why they are not known."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from cenote.adapters.fused.kinds import Norm, activation_of, norm_of
from cenote.adapters.fused.layouts import LAYOUTS, Layout
from cenote.errors import ShapeError
from cenote.kernels.activations import Activation

__all__ = ["LayerParts", "ModelParts", "read_model"]

#: Arguments of a base model whose layers may be fused. Another one may change what happens between layers.
_FORWARD = frozenset(
    {
        "attention_mask",
        "encoder_attention_mask",
        "encoder_hidden_states",
        "input_ids",
        "inputs_embeds",
        "kwargs",
        "past_key_values",
        "position_ids",
        "token_type_ids",
        "use_cache",
    }
)
#: What layers keep besides their parts: sizes, and what the recorded calls of attention say. A layer with an attribute
#: of another name (a factor on the residual, say) is not known.
_ATTRIBUTES = frozenset(vars(nn.Module())) | {
    "_is_hf_initialized",
    "add_cross_attention",
    "all_head_size",
    "attention_dropout",
    "attention_head_size",
    "attention_type",
    "attn_logit_softcapping",
    "chunk_size_feed_forward",
    "config",
    "deterministic_flash_attn",
    "dim",
    "gradient_checkpointing",
    "head_dim",
    "hidden_size",
    "intermediate_size",
    "is_causal",
    "is_cross_attention",
    "is_decoder",
    "is_sliding",
    "layer_idx",
    "layer_type",
    "n_heads",
    "num_attention_heads",
    "num_key_value_groups",
    "scaling",
    "seq_len_dim",
    "sliding_window",
}
_ROTARY = "rotary_emb"


@dataclass(frozen=True, slots=True)
class LayerParts:
    """The parts of one layer, as `Layout` names them.

    Attributes:
        attention: the module that calls the attention function.
        linears: the layers of the four products.
        activation: of the feed-forward part.
        gated: it has a gate.
        norms: of its two parts; None is no norm.
        outputs: norms of what they give.
        heads: norms of heads of queries and keys.
        rotary: its type, where angles differ by type.
    """

    attention: nn.Module
    linears: tuple[tuple[nn.Linear, ...], ...]
    activation: Activation
    gated: bool
    norms: tuple[Norm | None, Norm | None]
    outputs: tuple[Norm, ...]
    heads: tuple[Norm, ...]
    rotary: str | None


@dataclass(frozen=True, slots=True)
class ModelParts:
    """The layers of a model, and where they are.

    Attributes:
        layout: which one they have.
        layers: their parts, in order.
        rotary: the model's module for rotary angles, or None.
        types: types of layers that it gives angles for; `(None,)` where it gives one kind.
        final: the norm after the last layer, or None.
    """

    layout: Layout
    layers: tuple[LayerParts, ...]
    rotary: nn.Module | None
    types: tuple[str | None, ...]
    final: Norm | None


def read_model(base: Any) -> ModelParts:
    """Return the parts of a base model's layers.

    Raises:
        ShapeError: they are not of a structure that is known; says what is unknown.
    """
    unknown = sorted(set(inspect.signature(base.forward).parameters) - _FORWARD)
    if unknown:
        raise ShapeError(f"the model takes {', '.join(unknown)}")
    layout, layers = _find(base)
    rotary = getattr(base, _ROTARY, None)
    typed = rotary is not None and "layer_type" in inspect.signature(rotary.forward).parameters
    read = tuple(_read_layer(layer, layout, base.dtype, typed) for layer in layers)
    types = tuple(dict.fromkeys(layer.rotary for layer in read)) if rotary is not None else ()
    final = _known_norm(base.get_submodule(layout.final), layout.final) if layout.final else None
    return ModelParts(layout, read, rotary, types, final)


def _find(base: nn.Module) -> tuple[Layout, nn.ModuleList]:
    """Return the layout that all layers have, and the layers."""
    found = ""
    for layout in LAYOUTS:
        try:
            layers = base.get_submodule(layout.layers)
        except AttributeError:
            continue
        if not isinstance(layers, nn.ModuleList) or not len(layers):
            continue
        differing = next((parts for layer in layers if (parts := _parts(layer)) != layout.parts), None)
        if differing is None:
            return layout, layers
        found = found or f"{type(layers[0]).__name__} has other parts than known layers"
    raise ShapeError(found or f"{type(base).__name__} keeps its layers elsewhere")


def _parts(layer: nn.Module) -> frozenset[str]:
    """Return the paths of a layer's innermost modules, without those that do nothing at inference."""
    leaves = (path for path, module in layer.named_modules() if not _is_idle(path, module) and not _inner(module))
    return frozenset(leaves)


def _is_idle(path: str, module: nn.Module) -> bool:
    return isinstance(module, nn.Dropout) or (isinstance(module, nn.Identity) and not path.endswith("norm"))


def _inner(module: nn.Module) -> bool:
    return next(module.children(), None) is not None


def _read_layer(layer: nn.Module, layout: Layout, dtype: Any, typed: bool) -> LayerParts:
    if layer.training:
        raise ShapeError("the model is in training mode")
    for path, module in layer.named_modules():
        if _inner(module):
            _check_container(path, module)
    modules = dict(layer.named_modules())
    activation = activation_of(modules[layout.activation])
    if activation is None:
        raise ShapeError(f"operators know no {type(modules[layout.activation]).__name__}")
    products = (layout.qkv, (layout.out,), layout.up, (layout.down,))
    attention = modules[layout.attention]
    rotary = getattr(layer, "attention_type", getattr(attention, "layer_type", None)) if typed else None
    first, second = (_norm(modules[path], path) for path in layout.norms)
    return LayerParts(
        attention,
        tuple(tuple(_linear(modules, path, dtype) for path in paths) for paths in products),
        activation,
        layout.gated or len(layout.up) == 2,
        (first, second),
        tuple(_known_norm(modules[path], path) for path in layout.outputs),
        tuple(_known_norm(modules[path], path) for path in layout.heads),
        rotary,
    )


def _check_container(path: str, module: nn.Module) -> None:
    unknown = sorted(set(vars(module)) - _ATTRIBUTES)
    own = [*module._parameters, *module._buffers]
    if unknown or own:
        raise ShapeError(f"{type(module).__name__} has {', '.join([*unknown, *own])}")


def _linear(modules: Mapping[str, nn.Module], path: str, dtype: Any) -> nn.Linear:
    layer = modules[path]
    if type(layer) is not nn.Linear or layer.weight.dtype != dtype:
        raise ShapeError(f"{path} is no plain linear layer of the model's dtype")
    return layer


def _norm(module: nn.Module, path: str) -> Norm | None:
    """Return a norm; None where there is none (the first layer of ModernBERT)."""
    return None if isinstance(module, nn.Identity) else _known_norm(module, path)


def _known_norm(module: nn.Module, path: str) -> Norm:
    found = norm_of(module)
    if found is None:
        raise ShapeError(f"operators know no {type(module).__name__} ({path})")
    return found
