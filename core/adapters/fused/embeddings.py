"""What enters the first layer: tables looked up, summed and normalised in float32."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cenote.adapters.fused.kinds import norm_of
from cenote.adapters.fused.layer import Normalise, normalise
from cenote.kernels.memory import empty

__all__ = ["Embed", "embedder_of"]

#: From token ids [T], positions [T] and segment ids [T] or None (all 0) to what enters the first layer [T, h], in the
#: model's dtype and in float32.
Embed: TypeAlias = Callable[[Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor]]

#: Modules of BERT's embeddings and those of its kin, by their names; positions and segments may be missing.
_WORDS, _POSITIONS, _SEGMENTS, _NORM = "word_embeddings", "position_embeddings", "token_type_embeddings", "LayerNorm"
#: Largest table of positions and segments together, in numbers; a larger one is not worth its memory.
_LARGEST = 2_000_000
#: Rows of a batch whose memory is not worth keeping.
_FEW = 256


def embedder_of(base: Any, device: str) -> Embed:
    """Return how a base model most likely embeds; its forward is not read, so that the caller has to prove it.

    Args:
        base: transformers base model.
        device: whose kernels are taken.
    """
    module: Any = getattr(base, "embeddings", None)
    if not isinstance(module, nn.Module):
        return partial(_look_up, base.get_input_embeddings(), base.dtype)
    tables, norm = _tables(module), norm_of(getattr(module, _NORM, module))
    if tables is None or norm is None:
        return partial(_call, module, frozenset(inspect.signature(module.forward).parameters), base.dtype)
    words, places, positions = tables
    step: Normalise = normalise(norm, "norm", base.dtype, device)

    def embed(ids: Tensor, at: Tensor, types: Tensor | None) -> tuple[Tensor, Tensor]:
        index = at if types is None else types * positions + at
        return step(_rows(words, ids), _rows(places, index))

    return embed


def _rows(table: Tensor, index: Tensor) -> Tensor:
    """Return [T, h] rows of a table."""
    if len(index) < _FEW or not table.is_cpu:
        return F.embedding(index, table)
    return torch.index_select(table, 0, index, out=empty((len(index), table.shape[1]), table.dtype))


def _tables(module: nn.Module) -> tuple[Tensor, Tensor, int] | None:
    """Return the table of words, the sum of each segment's row with each position's, and how many positions."""
    found = module.named_children()
    children: dict[str, Any] = {name: child for name, child in found if not isinstance(child, nn.Dropout)}
    children.pop(_NORM, None)
    names = set(children)
    plain = all(type(child) is nn.Embedding and child.max_norm is None for child in children.values())
    if not plain or names | {_SEGMENTS} != {_WORDS, _POSITIONS, _SEGMENTS}:
        return None
    weights: dict[str, Tensor] = {name: child.weight.detach() for name, child in children.items()}
    places = weights[_POSITIONS].float()
    count = len(places)
    if _SEGMENTS in weights:
        if len(weights[_SEGMENTS]) * places.numel() > _LARGEST:
            return None
        places = (weights[_SEGMENTS].float()[:, None] + places).flatten(0, 1)
    return weights[_WORDS], places, count


def _look_up(
    table: nn.Module, dtype: torch.dtype, ids: Tensor, at: Tensor, types: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Embed by a table alone."""
    hidden: Tensor = table(ids)
    return hidden.to(dtype), hidden.float()


def _call(
    module: nn.Module, takes: frozenset[str], dtype: torch.dtype, ids: Tensor, at: Tensor, types: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Embed by the model's own module."""
    given = {"input_ids": ids, "position_ids": at, "token_type_ids": torch.zeros_like(ids) if types is None else types}
    hidden: Tensor = module(**{name: value[None] for name, value in given.items() if name in takes})[0]
    return hidden.to(dtype), hidden.float()
