"""A question that only Acme's model answers: how long a text's vector was before it was normalised."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from cenote.poolers import PoolingMethod
from cenote.tasks import Task
from cenote.types import PoolingBatch

__all__ = ["STRENGTH", "StrengthPooler"]

#: The higher the priority's number, the less it is the default task of a model.
STRENGTH = Task(name="acme_strength", grain="sequence", parameters=frozenset(), priority=900)


@dataclass(frozen=True, slots=True)
class StrengthPooler:
    """Answers the task with one number per text.

    Attributes:
        method: the pooling method of the model.
    """

    method: PoolingMethod

    def supported_tasks(self) -> frozenset[str]:
        """Return the one task."""
        return frozenset({STRENGTH.name})

    def __call__(self, hidden: Tensor, batch: PoolingBatch) -> list[dict[str, Tensor]]:
        """Return `{task: [1]}` per text."""
        skips = [row.pooling_skip for row in batch.rows]
        lengths = self.method(hidden, batch.lengths, skips).norm(dim=-1, keepdim=True).cpu()
        return [{STRENGTH.name: length.clone()} for length in lengths]
