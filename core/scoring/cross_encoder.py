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

    def inputs(self, queries: Sequence[Prompt], documents: Sequence[Prompt], pairs: Sequence[Pair]) -> list[ScoreInput]:
        """Return one joint prompt per pair."""
        return [
            ScoreInput(prompt=_joint(queries[query], documents[document]), task=self.task, side="pair")
            for query, document in pairs
        ]

    def scores(self, results: Sequence[Tensor], queries: int, pairs: Sequence[Pair]) -> Tensor:
        """Return the model's one label of each pair."""
        return torch.cat([result.reshape(1) for result in results])


def _joint(query: Prompt, document: Prompt) -> Prompt:
    """Return both texts as one pair; media of both follow each other (python-api.md section 15.1)."""
    return Prompt(
        text=query.text or "",
        text_pair=document.text or "",
        media=(*query.media, *document.media),
        first_media=len(query.media),
    )


CROSS_ENCODER = CrossEncoder()
