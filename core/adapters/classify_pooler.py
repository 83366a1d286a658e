"""Build the pooler of a classifier: logits, calibration and activation for every task that it can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cenote.adapters.activation import Activation
from cenote.config import Fact, PoolerConfig
from cenote.poolers import (
    ClassifierHead,
    Logits,
    Pooler,
    SequenceClassifier,
    StepRows,
    TaskPooler,
    TokenClassifier,
    choose_steps,
)

__all__ = ["ClassificationPooler", "build_classifier", "label_names"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassificationPooler:
    """A pooler and what to say of it.

    Attributes:
        pooler: answers `classify`, `score` and `token_classify`, as far as there are logits for them.
        token_pooling: `ALL` or `STEP`.
        facts: for the model's report.
    """

    pooler: TaskPooler
    token_pooling: str
    facts: Mapping[str, str]


def build_classifier(
    wanted: PoolerConfig,
    activation: Activation,
    labels: Sequence[str],
    *,
    sequence: Logits | None,
    token: Logits | None,
    use_activation: bool = True,
    steps: StepRows | None = None,
) -> ClassificationPooler:
    """Put logits, calibration and activation together.

    Args:
        wanted: the user's settings.
        activation: of the logits.
        labels: names of the values.
        sequence: logits of prompts; None where the model only labels tokens.
        token: logits of tokens; None where the model labels whole prompts only.
        use_activation: whether the activation is applied where neither user nor request say.
        steps: how the model pools by steps unless the user says otherwise; None is one row per token.
    """
    head = ClassifierHead(
        activation=activation.function,
        use_activation=use_activation if wanted.use_activation is None else wanted.use_activation,
        mean=wanted.logit_mean or 0.0,
        sigma=wanted.logit_sigma or 1.0,
    )
    chosen = choose_steps(wanted, steps)
    poolers: dict[str, Pooler] = {}
    if sequence is not None:
        poolers["classify"] = SequenceClassifier(sequence, head)
        if len(labels) == 1:
            poolers["score"] = SequenceClassifier(sequence, head, task="score")
    if token is not None:
        poolers["token_classify"] = TokenClassifier(token, head, steps=chosen)
    state = "" if head.use_activation else ", off by default"
    facts = {
        "labels": _some(labels),
        "activation": Fact(
            activation.name + state, activation.source, f"{activation.name} ({activation.source}){state}"
        ),
    }
    if (head.mean, head.sigma) != (0.0, 1.0):
        facts["calibration"] = f"(logit - {head.mean:g}) / {head.sigma:g}"
    if chosen is not None:
        facts["token pooling"] = f"STEP (tag {chosen.tag_id}, columns {chosen.columns or 'all'})"
    return ClassificationPooler(
        pooler=TaskPooler(poolers), token_pooling="ALL" if chosen is None else "STEP", facts=facts
    )


def label_names(config: Any) -> tuple[str, ...]:
    """Return the names of a transformers config's labels in their order; `LABEL_0` and so on where it has none."""
    names = config.id2label or {}
    return tuple(str(names.get(index, f"LABEL_{index}")) for index in range(config.num_labels))


def _some(labels: Sequence[str]) -> str:
    shown = ", ".join(labels[:5])
    return f"{len(labels)}: {shown}{', …' if len(labels) > 5 else ''}"
