"""A loaded Qwen-VL model: vision tower, language model, and the way from one into the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from cenote.adapters.packing import select
from cenote.adapters.qwen_vl.embeds import PreparedEmbeds
from cenote.adapters.qwen_vl.placeholders import VisualTokens, patch_grids
from cenote.adapters.qwen_vl.positions import rope_positions
from cenote.adapters.qwen_vl.rules import ImageRules
from cenote.adapters.qwen_vl.vision import VisionTower
from cenote.adapters.stack import TextStack
from cenote.types import PackedBatch, VisualInputs

__all__ = ["VisualStack"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VisualStack:
    """A model that reads words, images and videos.

    Attributes:
        stack: the language model with its tokenizer and low-rank adapters.
        tower: makes rows of images.
        tokens: the placeholders of prompts.
        rules: of images.
        together: prompts with images run as one batch, else one by one.
        tower_execution: how the tower runs and why, for people.
    """

    stack: TextStack
    tower: VisionTower
    tokens: VisualTokens
    rules: ImageRules
    together: bool
    tower_execution: str

    def forward(self, batch: PackedBatch) -> Tensor:
        """Return the hidden states [T, hidden] of a batch.

        `batch.media` holds, per prompt, a tuple of `PreparedImage`, `PreparedVideo` and `PreparedEmbeds` in the order
        of its placeholders, or None.

        Raises:
            InvalidRequest: placeholders do not fit the media of a prompt.
        """
        if not any(batch.media):
            return self.stack.backbone(batch)
        batch = replace(batch, visual=self._visual(batch))
        if self.together:
            return self.stack.backbone(batch)
        return torch.cat([self.stack.backbone(select(batch, [index])) for index in range(len(batch.lengths))])

    def facts(self) -> dict[str, str]:
        """Return what a model's report says of its parts."""
        images = "with others" if self.together else "one prompt at a time, since together they gave other results"
        return {**self.stack.facts(), "vision tower": self.tower_execution, "prompts with images": images}

    def _visual(self, batch: PackedBatch) -> VisualInputs:
        """Return what the tokens of a batch are that stand for patches."""
        device = batch.input_ids.device
        media = [items or () for items in batch.media]
        ids = batch.input_ids.cpu().split_with_sizes(list(batch.lengths))
        found = [patch_grids(row.numpy(), self.tokens, items) for row, items in zip(ids, media, strict=True)]
        positions = [
            torch.from_numpy(rope_positions(length, grids)) for length, grids in zip(batch.lengths, found, strict=True)
        ]
        return VisualInputs(
            rows=self._rows([item for items in media for item in items]),
            mask=(batch.input_ids == self.tokens.image) | (batch.input_ids == self.tokens.video),
            counts=tuple(sum(grid.rows * grid.columns for grid in grids) for grids in found),
            position_ids=torch.cat(positions, dim=1).to(device),
        )

    def _rows(self, media: Sequence[Any]) -> Tensor:
        """Return [V, width] for the media of a batch in their order."""
        made = iter(self.tower([item for item in media if not isinstance(item, PreparedEmbeds)]))
        dtype, device = self.tower.model.dtype, self.tower.table.device
        return torch.cat(
            [item.rows.to(device, dtype) if isinstance(item, PreparedEmbeds) else next(made) for item in media]
        )
