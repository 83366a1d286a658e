"""One vector per token."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cenote.poolers.heads import EmbeddingHead
from cenote.poolers.step import StepRows
from cenote.types import PoolingBatch, PoolingRow

__all__ = ["POSITIONS", "TokenPooler"]

#: Under this name a pooler gives, beside the vectors of tokens, the places of these tokens in the prompt.
POSITIONS = "positions"


@dataclass(frozen=True, slots=True)
class TokenPooler:
    """The head applied to every token's hidden state.

    Attributes:
        head: applied to each row.
        task: the task it answers.
        steps: which rows and columns are kept before vectors are cut and normalised (method STEP); None keeps all
            (method ALL).
    """

    head: EmbeddingHead
    task: str = "token_embed"
    steps: StepRows | None = None

    def supported_tasks(self) -> frozenset[str]:
        """Return the one task."""
        return frozenset({self.task})

    def __call__(self, hidden: Tensor, batch: PoolingBatch) -> list[dict[str, Tensor]]:
        """Return `{task: [kept, dim], "positions": [kept] int64}` per prompt: vectors, and the token of each."""
        rows = hidden.float()
        for step in self.head.steps:
            rows = step(rows)
        results = []
        for row, part in zip(batch.rows, rows.split_with_sizes(list(batch.lengths)), strict=True):
            places = _places(row, self.steps)
            kept = part if self.steps is None else self.steps.columns_of(part, row)
            if len(places) < row.length:
                kept = kept[places.to(kept.device)]
            vectors = self.head.finish(kept, row.params.dimensions, row.params.use_activation)
            results.append({self.task: vectors.cpu().clone(), POSITIONS: places})
        return results


def _places(row: PoolingRow, steps: StepRows | None) -> Tensor:
    """Return the places [kept] of the tokens of a prompt that get a vector."""
    if steps is not None:
        return steps.rows_of(row)
    return torch.arange(row.length) if row.kept is None else torch.tensor(row.kept, dtype=torch.int64)
