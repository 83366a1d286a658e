"""Several poolers behind one: each prompt is pooled for the tasks it asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from cenote.errors import WrongResult
from cenote.poolers.base import Pooler
from cenote.types import PoolingBatch

__all__ = ["TaskPooler"]


@dataclass(frozen=True, slots=True)
class TaskPooler:
    """Poolers by task, over the same hidden states.

    Attributes:
        poolers: task to pooler. One that stands under several tasks is called once for all of them, and gives each
            prompt those that it asks for.
    """

    poolers: Mapping[str, Pooler]

    def supported_tasks(self) -> frozenset[str]:
        """Return the tasks of all poolers."""
        return frozenset(self.poolers)

    def __call__(self, hidden: Tensor, batch: PoolingBatch) -> list[dict[str, Tensor]]:
        """Return one mapping per prompt, holding the tasks that the prompt asked for.

        Raises:
            WrongResult: a pooler gives another number of results.
        """
        results: list[dict[str, Tensor]] = [{} for _ in batch.rows]
        for pooler, tasks in self._tasks_of_poolers():
            indices = [index for index, row in enumerate(batch.rows) if not tasks.isdisjoint(row.tasks)]
            if not indices:
                continue
            part, rows = _gather(hidden, batch, indices)
            found = pooler(part, rows)
            if len(found) != len(indices):
                name = type(pooler).__name__
                raise WrongResult(f"The pooler {name} returned {len(found)} results for {len(indices)} prompts.")
            for index, result in zip(indices, found, strict=True):
                results[index].update(result)
        return results

    def _tasks_of_poolers(self) -> list[tuple[Pooler, set[str]]]:
        found: dict[int, tuple[Pooler, set[str]]] = {}
        for task, pooler in self.poolers.items():
            found.setdefault(id(pooler), (pooler, set()))[1].add(task)
        return list(found.values())


def _gather(hidden: Tensor, batch: PoolingBatch, indices: list[int]) -> tuple[Tensor, PoolingBatch]:
    """Take the rows of some prompts only, where not all ask for the task."""
    if len(indices) == len(batch.rows):
        return hidden, batch
    parts = hidden.split_with_sizes(list(batch.lengths))
    rows = tuple(batch.rows[index] for index in indices)
    return torch.cat([parts[index] for index in indices]), replace(batch, rows=rows)
