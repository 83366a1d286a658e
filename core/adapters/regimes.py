"""Rotary embeddings whose frequencies depend on length: keep what needs different frequencies apart.

transformers computes `dynamic` and `longrope` frequencies from the longest position of a batch, and `dynamic`
ones also keep what an earlier, longer batch left behind. Run as they are, neighbours would change a result.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cenote.adapters.backbone import Backbone, select
from cenote.types import PackedBatch

__all__ = ["RegimeBackbone", "by_rope_regime"]


@dataclass(slots=True)
class RegimeBackbone:
    """Runs the sequences of a batch in groups that share their rotary frequencies.

    Attributes:
        inner: runs one group.
        model: the transformers model, whose `dynamic` frequencies are reset before each group.
        threshold: longest sequence, in tokens, that the original frequencies serve.
        by_length: longer sequences each have frequencies of their own length (`dynamic`), instead of sharing one
            second set (`longrope`).
    """

    inner: Backbone
    model: Any
    threshold: int
    by_length: bool

    @property
    def execution(self) -> str:
        """Return how a group runs."""
        return self.inner.execution

    def __call__(self, batch: PackedBatch) -> Tensor:
        """Return [T, hidden] in batch order."""
        groups = self.groups(batch.lengths)
        if len(groups) == 1:
            self._reset()
            return self.inner(batch)
        parts: list[Tensor | None] = [None] * len(batch.lengths)
        for group in groups:
            self._reset()
            hidden = self.inner(select(batch, group))
            rows = hidden.split_with_sizes([batch.lengths[index] for index in group])
            for index, part in zip(group, rows, strict=True):
                parts[index] = part
        return torch.cat([part for part in parts if part is not None])

    def groups(self, lengths: tuple[int, ...]) -> list[list[int]]:
        """Split indices by the frequencies that their sequences need."""
        found: dict[int, list[int]] = {}
        for index, length in enumerate(lengths):
            if length <= self.threshold:
                regime = 0
            else:
                regime = length if self.by_length else 1
            found.setdefault(regime, []).append(index)
        return list(found.values())

    def _reset(self) -> None:
        """Forget the frequencies that an earlier, longer sequence left behind."""
        if not self.by_length:
            return
        for module in self.model.modules():
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


def by_rope_regime(backbone: Backbone, model: Any) -> Backbone:
    """Wrap a backbone where its rotary frequencies depend on length; return it as it is elsewhere."""
    for parameters in _rope_settings(model.config):
        kind = parameters.get("rope_type", "default")
        original = parameters.get("original_max_position_embeddings")
        if kind == "longrope" and isinstance(original, int):
            return RegimeBackbone(backbone, model, original, by_length=False)
        if kind == "dynamic":
            return RegimeBackbone(backbone, model, model.config.max_position_embeddings, by_length=True)
    return backbone


def _rope_settings(config: Any) -> Iterator[dict[str, Any]]:
    """Yield the rotary settings of a config: one set, or one per layer type."""
    settings = getattr(config, "rope_parameters", None) or {}
    if "rope_type" in settings:
        yield settings
    else:
        yield from (value for value in settings.values() if isinstance(value, dict))
