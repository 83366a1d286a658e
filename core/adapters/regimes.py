"""Models that compute long sequences otherwise than short ones: keep apart what needs different ways.

transformers computes `dynamic` and `longrope` rotary frequencies from the longest position of a batch, and `dynamic`
ones also keep what an earlier, longer batch left behind. BigBird attends fully in short batches and sparsely in long
ones, and stays with full attention once it has seen a short one. Run as they are, neighbours would change a result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from cenote.adapters.backbone import Backbone
from cenote.adapters.packing import select
from cenote.types import PackedBatch

__all__ = ["RegimeBackbone", "regime_of"]


@dataclass(slots=True)
class RegimeBackbone:
    """Runs the sequences of a batch in groups that are computed in the same way.

    Attributes:
        inner: runs one group.
        threshold: longest sequence, in tokens, that counts as short; short ones run together.
        by_length: longer sequences run with those of their own length only (`dynamic`), instead of all together
            (`longrope`).
        before: called before each group, to undo what an earlier group left behind.
    """

    inner: Backbone
    threshold: int
    by_length: bool
    before: Callable[[], None]

    @property
    def execution(self) -> str:
        """Return how a group runs."""
        return self.inner.execution

    def __call__(self, batch: PackedBatch) -> Tensor:
        """Return [T, hidden] in batch order."""
        groups = self.groups(batch.lengths)
        if len(groups) == 1:
            self.before()
            return self.inner(batch)
        parts: list[Tensor | None] = [None] * len(batch.lengths)
        for group in groups:
            self.before()
            hidden = self.inner(select(batch, group))
            rows = hidden.split_with_sizes([batch.lengths[index] for index in group])
            for index, part in zip(group, rows, strict=True):
                parts[index] = part
        return torch.cat([part for part in parts if part is not None])

    def groups(self, lengths: tuple[int, ...]) -> list[list[int]]:
        """Split indices by the way in which their sequences are computed."""
        found: dict[int, list[int]] = {}
        for index, length in enumerate(lengths):
            if length <= self.threshold:
                regime = 0
            else:
                regime = length if self.by_length else 1
            found.setdefault(regime, []).append(index)
        return list(found.values())


#: Puts what a model needs around a backbone that runs it.
Wrap: TypeAlias = Callable[[Backbone], Backbone]


def regime_of(model: Any) -> Wrap:
    """Return what wraps a model's backbones where its computation depends on length, and else leaves them alone.

    Its config is asked, and not the model, which says something else once it has run.
    """
    for parameters in _rope_settings(model.config):
        kind = parameters.get("rope_type", "default")
        original = parameters.get("original_max_position_embeddings")
        if kind == "longrope" and isinstance(original, int):
            return lambda inner: RegimeBackbone(inner, original, by_length=False, before=_nothing)
        if kind == "dynamic":
            longest = model.config.max_position_embeddings
            return lambda inner: RegimeBackbone(
                inner, longest, by_length=True, before=lambda: _reset_frequencies(model)
            )
    crossed = getattr(model.config, "add_cross_attention", False)  # always fully attended
    if getattr(model.config, "attention_type", None) == "block_sparse" and not crossed:
        for part in (model, getattr(model, "encoder", None)):
            if hasattr(part, "set_attention_type"):
                return _big_bird(model.config, part)
    return lambda inner: inner


def _big_bird(config: Any, part: Any) -> Wrap:
    """Return the regime of BigBird: full attention up to a number of blocks, sparse attention beyond."""
    longest = (5 + 2 * config.num_random_blocks) * config.block_size
    return lambda inner: RegimeBackbone(
        inner, longest, by_length=True, before=lambda: part.set_attention_type("block_sparse")
    )


def _nothing() -> None:
    """Leave a model whose groups do not influence each other as it is."""


def _reset_frequencies(model: Any) -> None:
    """Forget the `dynamic` frequencies that an earlier, longer sequence left behind."""
    for module in model.modules():
        for name, original in _originals(module):
            prefix = name.removesuffix("original_inv_freq")
            module.register_buffer(f"{prefix}inv_freq", original, persistent=False)
            setattr(module, f"{prefix}max_seq_len_cached", module.original_max_seq_len)


def _originals(module: Any) -> Iterator[tuple[str, Tensor]]:
    """Yield the stored original frequencies of a rotary module, one set per layer type."""
    if hasattr(module, "original_max_seq_len"):
        for name in [*vars(module), *module._buffers]:
            if name.endswith("original_inv_freq"):
                yield name, getattr(module, name)


def _rope_settings(config: Any) -> Iterator[dict[str, Any]]:
    """Yield the rotary settings of a config: one set, or one per layer type."""
    settings = getattr(config, "rope_parameters", None) or {}
    if "rope_type" in settings:
        yield settings
    else:
        yield from (value for value in settings.values() if isinstance(value, dict))
