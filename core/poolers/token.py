"""One vector per token."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from cenote.poolers.heads import EmbeddingHead
from cenote.types import PoolingBatch

__all__ = ["TokenPooler"]


@dataclass(frozen=True, slots=True)
class TokenPooler:
    """The head applied to every token's hidden state (method ALL).

    Attributes:
        head: applied to each row.
        task: the task it answers.
    """

    head: EmbeddingHead
    task: str = "token_embed"

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
            vectors = self.head.finish(part, row.params.dimensions, row.params.use_activation)
            results.append({self.task: vectors.cpu().clone()})
        return results
