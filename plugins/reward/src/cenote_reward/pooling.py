"""Hidden states to rewards: one number per prompt, per token, or per step of a solution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cenote.poolers import Logits, Pooler, get_method
from cenote.types import PoolingBatch, PoolingRow

__all__ = ["RightProbability", "prompt_logits", "token_logits", "value_function"]

#: From rows of hidden states [n, h] to float32 values [n, outputs].
Values = Callable[[Tensor], Tensor]


def value_function(model: Any, name: str) -> Values:
    """Return the head of a loaded model as a function, computed in float32 whatever the backbone's dtype is.

    Args:
        model: transformers model with a head.
        name: of the head in it.
    """
    head: nn.Module = getattr(model, name)
    layers = head.float()

    def values(rows: Tensor) -> Tensor:
        with torch.no_grad():
            result: Tensor = layers(rows.float())
        return result

    return values


def token_logits(values: Values) -> Logits:
    """Return the logits of every token."""
    return lambda hidden, batch: values(hidden)


def prompt_logits(values: Values, method: str) -> Logits:
    """Return the logits of every prompt: those of its hidden states as a pooling method takes them together."""
    pool = get_method(method)
    return lambda hidden, batch: values(pool(hidden, batch.lengths, [row.pooling_skip for row in batch.rows]))


@dataclass(frozen=True, slots=True)
class RightProbability:
    """Of the two values of a step, the probability that it is right.

    Requests that turn the activation off, or name columns, get what `inner` gives, as with vLLM.

    Attributes:
        inner: gives [steps, 2] as `token_classify`.
        activated: `inner` applies a softmax where a request does not say.
        columns: `inner` keeps some columns only where a request does not say.

    Source: `make_step_rewards` of the model card of Qwen/Qwen2.5-Math-PRM-7B: softmax over the two logits of each
    `<extra_0>`, then the second.
    """

    inner: Pooler
    activated: bool
    columns: bool

    def supported_tasks(self) -> frozenset[str]:
        """Return the tasks of `inner`."""
        return self.inner.supported_tasks()

    def __call__(self, hidden: Tensor, batch: PoolingBatch) -> list[dict[str, Tensor]]:
        """Return `{"token_classify": [steps, 1]}` per prompt, or [steps, columns]."""
        return [
            {task: value[:, 1:].clone() if self._wanted(row) else value for task, value in result.items()}
            for row, result in zip(batch.rows, self.inner(hidden, batch), strict=True)
        ]

    def _wanted(self, row: PoolingRow) -> bool:
        asked = row.params.use_activation
        activated = self.activated if asked is None else asked
        return activated and not self.columns and row.params.returned_token_ids is None
