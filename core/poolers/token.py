"""One vector per token."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from cenote.poolers.heads import EmbeddingHead
from cenote.poolers.step import StepRows
from cenote.types import PoolingBatch

__all__ = ["TokenPooler"]


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
        """Return `{task: [tokens, dim]}` per prompt."""
        rows = hidden.float()
        for step in self.head.steps:
            rows = step(rows)
        results = []
        for row, part in zip(batch.rows, rows.split_with_sizes(list(batch.lengths)), strict=True):
            kept = part if self.steps is None else self.steps.select(part, row)
            vectors = self.head.finish(kept, row.params.dimensions, row.params.use_activation)
            results.append({self.task: vectors.cpu().clone()})
        return results
