"""One value per label: of each prompt, or of each token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

from cenote.poolers.step import StepRows
from cenote.types import PoolingBatch

__all__ = ["ClassifierHead", "Logits", "SequenceClassifier", "TokenClassifier"]

#: From the hidden states [T, h] of a batch to float32 logits, [n, labels] or [T, labels].
Logits: TypeAlias = Callable[[Tensor, PoolingBatch], Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierHead:
    """What follows a classifier's logits: calibrate, then activate.

    Attributes:
        activation: over the last axis.
        use_activation: apply it where a request does not say.
        mean: subtracted from the logits.
        sigma: divides them then; not 0.

    Source: contract of vLLM 0.32, `activation((logit - mean) / sigma)`.
    """

    activation: Callable[[Tensor], Tensor]
    use_activation: bool = True
    mean: float = 0.0
    sigma: float = 1.0

    def finish(self, logits: Tensor, use_activation: bool | None) -> Tensor:
        """Return the values of [rows, labels] that a request asks for."""
        if (self.mean, self.sigma) != (0.0, 1.0):
            logits = (logits - self.mean) / self.sigma
        return self.activation(logits) if self._wanted(use_activation) else logits

    def _wanted(self, asked: bool | None) -> bool:
        return self.use_activation if asked is None else asked


@dataclass(frozen=True, slots=True)
class SequenceClassifier:
    """One row of labels per prompt.

    Attributes:
        logits: gives [n, labels].
        head: what follows.
        task: the task it answers.
    """

    logits: Logits
    head: ClassifierHead
    task: str = "classify"

    def supported_tasks(self) -> frozenset[str]:
        """Return the one task."""
        return frozenset({self.task})

    def __call__(self, hidden: Tensor, batch: PoolingBatch) -> list[dict[str, Tensor]]:
        """Return `{task: [labels]}` per prompt."""
        logits = self.logits(hidden, batch).float()
        asked = [row.params.use_activation for row in batch.rows]
        values = {use: self.head.finish(logits, use).cpu() for use in set(asked)}
        return [{self.task: values[use][index].clone()} for index, use in enumerate(asked)]


@dataclass(frozen=True, slots=True)
class TokenClassifier:
    """One row of labels per token, or per step.

    Attributes:
        logits: gives [T, labels].
        head: what follows, after the rows and columns were chosen.
        task: the task it answers.
        steps: which rows and columns are kept (method STEP); None keeps all (method ALL).
    """

    logits: Logits
    head: ClassifierHead
    task: str = "token_classify"
    steps: StepRows | None = None

    def supported_tasks(self) -> frozenset[str]:
        """Return the one task."""
        return frozenset({self.task})

    def __call__(self, hidden: Tensor, batch: PoolingBatch) -> list[dict[str, Tensor]]:
        """Return `{task: [tokens, labels]}` per prompt.

        Raises:
            InvalidRequest: STEP pooling was asked for a column that the model does not have.
        """
        logits = self.logits(hidden, batch).float().split_with_sizes(list(batch.lengths))
        results = []
        for row, part in zip(batch.rows, logits, strict=True):
            kept = part if self.steps is None else self.steps.select(part, row)
            results.append({self.task: self.head.finish(kept, row.params.use_activation).cpu().clone()})
        return results
