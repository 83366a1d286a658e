"""One vector per prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cenote.errors import ShapeError, WrongResult
from cenote.poolers.guarded import guarded_method
from cenote.poolers.heads import EmbeddingHead
from cenote.poolers.methods import PoolingMethod
from cenote.registry import default_registry
from cenote.types import PoolingBatch, PoolingParams

__all__ = ["SequencePooler", "get_method"]


def get_method(name: str) -> PoolingMethod:
    """Return a pooling method; `CLS+MEAN` concatenates the vectors of its parts.

    Raises:
        UnknownPlugin: nothing installed offers a part.
    """
    parts = [_one_method(part) for part in name.split("+")]
    if len(parts) == 1:
        return parts[0]
    return lambda hidden, lengths, skips: torch.cat([part(hidden, lengths, skips) for part in parts], dim=-1)


def _one_method(name: str) -> PoolingMethod:
    registry = default_registry()
    method: PoolingMethod = registry.get("cenote.poolers", name)
    entry = registry.entries("cenote.poolers")[name][0]
    return method if entry.is_built_in else guarded_method(entry, method)


@dataclass(frozen=True, slots=True)
class SequencePooler:
    """A pooling method followed by a head.

    Attributes:
        method: from hidden states to one row per prompt, as `get_method` gives it.
        head: what follows.
        task: the task it answers.
    """

    method: PoolingMethod
    head: EmbeddingHead
    task: str = "embed"

    def supported_tasks(self) -> frozenset[str]:
        """Return the one task."""
        return frozenset({self.task})

    def __call__(self, hidden: Tensor, batch: PoolingBatch) -> list[dict[str, Tensor]]:
        """Return `{task: [dim]}` per prompt, or `{task: [spans, dim]}` where its spans are pooled one by one.

        Raises:
            ShapeError: a span has no tokens.
            WrongResult: the method gives another number of rows.
        """
        if any(row.spans for row in batch.rows):
            return self._spans(hidden, batch)
        skips = [row.pooling_skip for row in batch.rows]
        pooled = self._pool(hidden, batch.lengths, skips)
        return [{self.task: vector} for vector in self.head(pooled, [row.params for row in batch.rows])]

    def _pool(self, hidden: Tensor, lengths: Sequence[int], skips: Sequence[int]) -> Tensor:
        pooled = self.method(hidden, lengths, skips)
        if len(pooled) != len(lengths):
            raise WrongResult(f"The pooling method returned {len(pooled)} rows for {len(lengths)} sequences.")
        return pooled

    def _spans(self, hidden: Tensor, batch: PoolingBatch) -> list[dict[str, Tensor]]:
        """Pool every span as if it were a sequence; all spans of the batch in one call."""
        pieces: list[Tensor] = []
        skips: list[int] = []
        params: list[PoolingParams] = []
        for row, part in zip(batch.rows, hidden.split_with_sizes(list(batch.lengths)), strict=True):
            for start, end in row.spans or ((0, row.length),):
                if start >= end:
                    raise ShapeError(f"The span from token {start} to {end} has no tokens to pool.")
                pieces.append(part[start:end])
                skips.append(max(0, row.pooling_skip - start))
                params.append(row.params)
        vectors = iter(self.head(self._pool(torch.cat(pieces), [len(piece) for piece in pieces], skips), params))
        return [
            {self.task: torch.stack([next(vectors) for _ in row.spans]) if row.spans else next(vectors)}
            for row in batch.rows
        ]
