"""The head of rerankers: one score of the mean of a prompt's hidden states, in float32."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cenote.adapters import LoadOptions
from cenote.adapters.activation import resolve_activation
from cenote.adapters.classify_pooler import ClassificationPooler, build_classifier
from cenote.checkpoints import Checkpoint
from cenote.errors import CheckpointError
from cenote.poolers import PoolingMethod, get_method
from cenote.types import PoolingBatch

__all__ = ["SCORE", "ScoreHead", "build_scores", "load_head"]

#: The stored tensor.
SCORE = "score.weight"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreHead:
    """From hidden states to logits.

    Attributes:
        weight: [labels, hidden] float32.
        temperature: logits are divided by it.
        pooling: of the hidden states of a prompt.
        method: name of `pooling` and who decided it, for people.
        labels: names of the logits.
    """

    weight: Tensor
    temperature: float
    pooling: PoolingMethod
    method: str
    labels: tuple[str, ...]

    def of_prompts(self, hidden: Tensor, batch: PoolingBatch) -> Tensor:
        """Return [n, labels] of [T, hidden]."""
        rows = self.pooling(hidden, batch.lengths, [row.pooling_skip for row in batch.rows])
        return F.linear(rows, self.weight) / self.temperature

    def of_tokens(self, hidden: Tensor, batch: PoolingBatch) -> Tensor:
        """Return [T, labels] of [T, hidden]: what each token says for itself."""
        return F.linear(hidden.float(), self.weight) / self.temperature


def load_head(
    checkpoint: Checkpoint, options: LoadOptions, *, pooling: str, language: Mapping[str, Any], hidden_size: int
) -> ScoreHead:
    """Read the head of a reranker.

    With `compat="vllm"`, the temperature is ignored, and the user's pooling as well.

    Args:
        checkpoint: with the head, and its temperature in config.json.
        options: what the user asked for.
        pooling: method that config.json names.
        language: config of the language model, which has labels as well.
        hidden_size: of the language model.

    Raises:
        CheckpointError: the weight is missing, broken or of another shape, the labels do not fit it, or the
            temperature is impossible.

    Source: NVIDIA's model, whose head is float32 whatever the type of the rest; vLLM 0.32.
    """
    weight = _weight(checkpoint, hidden_size)
    temperature = _temperature(checkpoint.config)
    asked = None if options.compat == "vllm" else options.pooler_config.seq_pooling_type
    return ScoreHead(
        weight=weight.to(device=options.device, dtype=torch.float32),
        temperature=1.0 if options.compat == "vllm" else temperature,
        pooling=get_method(asked or pooling),
        method=f"{asked or pooling} ({'user' if asked else 'model_default'})",
        labels=_labels((checkpoint.config, language), len(weight)),
    )


def build_scores(checkpoint: Checkpoint, options: LoadOptions, head: ScoreHead) -> ClassificationPooler:
    """Return what answers `score`, `classify` and `token_classify`.

    The model's own code gives logits. They stay as they are unless a file names an activation, or a request or the user
    asks for one with `use_activation`; with `compat="vllm"` a sigmoid is the default.

    Raises:
        CheckpointError: a file names something that is not a function known here.
    """
    activation = resolve_activation(
        checkpoint.config,
        len(head.labels),
        compat=options.compat,
        own=checkpoint.settings_value("activation_fn"),
    )
    return build_classifier(
        options.pooler_config,
        activation,
        head.labels,
        sequence=head.of_prompts,
        token=head.of_tokens,
        use_activation=options.compat == "vllm" or activation.source != "default",
    )


def _weight(checkpoint: Checkpoint, hidden_size: int) -> Tensor:
    if not checkpoint.has_tensor(SCORE):
        raise CheckpointError(f"{checkpoint.name!r} has no tensor {SCORE}, the head of a reranker.")
    if checkpoint.has_tensor("score.bias"):
        raise CheckpointError(f"{checkpoint.name!r} has score.bias; the head of these models has none.")
    weight = checkpoint.read_tensor(SCORE)
    if weight.ndim != 2 or weight.shape[1] != hidden_size or not weight.is_floating_point():
        raise CheckpointError(
            f"{SCORE} has shape {list(weight.shape)} and type {weight.dtype}; needed are real numbers of shape "
            f"[labels, {hidden_size}]."
        )
    if not bool(torch.isfinite(weight).all()):
        raise CheckpointError(f"{SCORE} holds NaN or infinity; the weights are broken.")
    return weight


def _temperature(config: Mapping[str, Any]) -> float:
    value = config.get("temperature", 1.0)
    if type(value) not in (int, float) or not math.isfinite(value) or value <= 0:
        raise CheckpointError(f"config.json: temperature must be a number above 0, found {value!r:.40}.")
    return float(value)


def _labels(configs: Sequence[Mapping[str, Any]], rows: int) -> tuple[str, ...]:
    """Return the names of the labels: those of the first config that has names for all rows."""
    names: Mapping[Any, Any] = {}
    for config in configs:
        stored = config.get("id2label")
        count = len(stored) if isinstance(stored, Mapping) else config.get("num_labels")
        if count is not None and count != rows:
            raise CheckpointError(f"config.json has {count} labels, but {SCORE} gives {rows}.")
        names = names or (stored if isinstance(stored, Mapping) else {})
    return tuple(str(names.get(str(row), names.get(row, f"LABEL_{row}"))) for row in range(rows))
