"""One vector per prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from cenote.poolers.heads import EmbeddingHead
from cenote.registry import default_registry
from cenote.types import PoolingBatch

__all__ = ["Method", "SequencePooler", "get_method"]

#: From hidden states [T, h], lengths and leading rows to leave out, to [n, h] float32.
Method: TypeAlias = Callable[[Tensor, Sequence[int], Sequence[int]], Tensor]


def get_method(name: str) -> Method:
    """Return a pooling method; `CLS+MEAN` concatenates the vectors of its parts.

    Raises:
        UnknownPlugin: nothing installed offers a part.
    """
    parts: list[Method] = [default_registry().get("cenote.poolers", part) for part in name.split("+")]
    if len(parts) == 1:
        return parts[0]
    return lambda hidden, lengths, skips: torch.cat([part(hidden, lengths, skips) for part in parts], dim=-1)


@dataclass(frozen=True, slots=True)
class SequencePooler:
    """A pooling method followed by a head.

    Attributes:
        method: from hidden states to one row per prompt, as `get_method` gives it.
        head: what follows.
        task: the task it answers.
    """

    method: Method
    head: EmbeddingHead
    task: str = "embed"

    def supported_tasks(self) -> frozenset[str]:
        """Return the one task."""
        return frozenset({self.task})

    def __call__(self, hidden: Tensor, batch: PoolingBatch) -> list[dict[str, Tensor]]:
        """Return `{task: [dim]}` per prompt."""
        skips = [row.pooling_skip for row in batch.rows]
        pooled = self.method(hidden, batch.lengths, skips)
        return [{self.task: vector} for vector in self.head(pooled, [row.params for row in batch.rows])]
