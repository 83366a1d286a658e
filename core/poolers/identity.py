"""Hidden states as they are, for the task `plugin`."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from cenote.types import PoolingBatch

__all__ = ["IdentityPooler"]


@dataclass(frozen=True, slots=True)
class IdentityPooler:
    """Gives the hidden states of every token.

    Attributes:
        task: the task it answers.
    """

    task: str = "plugin"

    def supported_tasks(self) -> frozenset[str]:
        """Return the one task."""
        return frozenset({self.task})

    def __call__(self, hidden: Tensor, batch: PoolingBatch) -> list[dict[str, Tensor]]:
        """Return `{task: [tokens, hidden]}` per prompt."""
        rows = hidden.float().cpu().split_with_sizes(list(batch.lengths))
        return [{self.task: row.clone()} for row in rows]
