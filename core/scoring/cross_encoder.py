"""Cross-encoders: the model reads query and document together, and its one label is the score."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cenote.scoring.base import Pair, ScoreInput
from cenote.types import Prompt

__all__ = ["CROSS_ENCODER", "CrossEncoder"]


class CrossEncoder:
    """One joint prompt per pair."""

    task = "score"
    by_role = False

    def inputs(self, queries: Sequence[str], documents: Sequence[str], pairs: Sequence[Pair]) -> list[ScoreInput]:
        """Return one joint prompt per pair."""
        return [
            ScoreInput(prompt=Prompt(text=queries[query], text_pair=documents[document]), task=self.task, side="pair")
            for query, document in pairs
        ]

    def scores(self, results: Sequence[Tensor], queries: int, pairs: Sequence[Pair]) -> Tensor:
        """Return the model's one label of each pair."""
        return torch.cat([result.reshape(1) for result in results])


CROSS_ENCODER = CrossEncoder()
