"""Hidden states to rewards: one number per prompt, per token, or per step of a solution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cenote.adapters import LoadOptions
from cenote.adapters.activation import Activation, resolve_activation
from cenote.poolers import ClassifierHead, SequenceClassifier, StepRows, TaskPooler, TokenClassifier, get_method
from cenote.types import PoolingBatch

__all__ = ["ProcessReward", "classifier_head", "reward_pooler", "value_function"]

#: From rows of hidden states [n, h] to float32 values [n, outputs].
Values = Callable[[Tensor], Tensor]


def value_function(head: nn.Module) -> Values:
    """Return the head of a loaded model as a function, computed in float32 whatever the backbone's dtype is."""
    layers = head.float().eval()

    def values(rows: Tensor) -> Tensor:
        with torch.no_grad():
            result: Tensor = layers(rows.float())
        return result

    return values


def classifier_head(
    config: dict[str, Any], options: LoadOptions, *, outputs: int, use_activation: bool
) -> tuple[ClassifierHead, Activation]:
    """Return what follows the values: calibration and activation, as the user or the files say.

    Args:
        config: `config.json`.
        options: for the user's pooling settings.
        outputs: values per token.
        use_activation: apply the activation where the user does not say.
    """
    wanted = options.pooler_config
    activation = resolve_activation(config, outputs, compat=options.compat)
    head = ClassifierHead(
        activation=activation.function,
        use_activation=use_activation if wanted.use_activation is None else wanted.use_activation,
        mean=0.0 if wanted.logit_mean is None else wanted.logit_mean,
        sigma=1.0 if wanted.logit_sigma is None else wanted.logit_sigma,
    )
    return head, activation


def reward_pooler(values: Values, head: ClassifierHead, *, method: str, steps: StepRows | None) -> TaskPooler:
    """Return the pooler of a model with one output: of a prompt for `classify`, of each token for `token_classify`.

    Args:
        values: the model's head.
        head: what follows it.
        method: pooling of a prompt's hidden states, `LAST` unless the user says otherwise.
        steps: rows that `token_classify` keeps; None keeps all.
    """
    pool = get_method(method)

    def of_prompts(hidden: Tensor, batch: PoolingBatch) -> Tensor:
        return values(pool(hidden, batch.lengths, [row.pooling_skip for row in batch.rows]))

    def of_tokens(hidden: Tensor, batch: PoolingBatch) -> Tensor:
        del batch
        return values(hidden)

    return TaskPooler(
        {
            "classify": SequenceClassifier(of_prompts, head),
            "token_classify": TokenClassifier(of_tokens, head, steps=steps),
        }
    )


@dataclass(frozen=True, slots=True)
class ProcessReward:
    """The probability that a step is right, for each step.

    A request that turns the activation off, or names columns, gets [steps, columns] as vLLM gives them.

    Attributes:
        values: gives two logits per token: the step is wrong, the step is right.
        head: what follows, a softmax by default.
        steps: which tokens end a step.
        both: keep both columns always (vLLM).

    Source: `make_step_rewards` of the model card of Qwen/Qwen2.5-Math-PRM-7B: softmax over the two logits of each
    `<extra_0>`, then the second.
    """

    values: Values
    head: ClassifierHead
    steps: StepRows
    both: bool = False

    def supported_tasks(self) -> frozenset[str]:
        """Return the one task."""
        return frozenset({"token_classify"})

    def __call__(self, hidden: Tensor, batch: PoolingBatch) -> list[dict[str, Tensor]]:
        """Return `{"token_classify": [steps, 1]}` per prompt, or [steps, columns].

        Raises:
            InvalidRequest: a column other than 0 and 1 was asked for.
        """
        results = []
        logits = self.values(hidden).split_with_sizes(list(batch.lengths))
        for row, part in zip(batch.rows, logits, strict=True):
            asked = row.params.use_activation
            found = self.head.finish(self.steps.select(part, row), asked)
            named = row.params.returned_token_ids is not None or self.steps.columns is not None
            activated = self.head.use_activation if asked is None else asked
            if activated and not (named or self.both):
                found = found[:, 1:]
            results.append({"token_classify": found.cpu().clone()})
        return results
