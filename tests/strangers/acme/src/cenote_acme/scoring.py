"""A score that falls with the distance of two vectors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cenote.scoring import Pair, ScoreInput
from cenote.types import Prompt

__all__ = ["NEARNESS", "Nearness"]


class Nearness:
    """1 / (1 + distance of two vectors of length 1): 1 is the same text, 1/3 the opposite."""

    task = "embed"
    by_role = False

    def inputs(self, queries: Sequence[Prompt], documents: Sequence[Prompt], pairs: Sequence[Pair]) -> list[ScoreInput]:
        """Read each once, queries first."""
        return [
            *(ScoreInput(prompt=query, task="embed", side="query", role="query") for query in queries),
            *(ScoreInput(prompt=document, task="embed", side="document", role="document") for document in documents),
        ]

    def scores(self, results: Sequence[Tensor], queries: int, pairs: Sequence[Pair]) -> Tensor:
        """Return the nearness of each pair."""
        distances = [(results[query] - results[queries + document]).norm() for query, document in pairs]
        return 1 / (1 + torch.stack(distances))


NEARNESS = Nearness()
