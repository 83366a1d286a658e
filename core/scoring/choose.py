"""Which way of scoring a model has."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import cast

from cenote.errors import UnsupportedTask, WrongType
from cenote.registry import Registry, default_registry
from cenote.scoring.base import TOKEN_SIMILARITIES, Scorer, further_tasks
from cenote.scoring.guarded import GuardedScorer
from cenote.scoring.hybrid import JOINT, Hybrid, check_weights, in_order

__all__ = ["choose_scorer"]

_GROUP = "cenote.scorers"
#: Default task of a model to its way of scoring.
_BY_TASK = {"embed": "dense", "token_embed": "colbert"}


def choose_scorer(
    score_type: str | None,
    supported: Collection[str],
    default_task: str,
    registry: Registry | None = None,
    *,
    own: str | None = None,
    similarity: str | None = None,
    weights: Sequence[float] | None = None,
    is_fused: bool = True,
) -> Scorer:
    """Return the way of scoring asked for, or the model's own.

    A one-label classifier reads pairs; else the default task decides: `embed` is the cosine of two vectors,
    `token_embed` is MaxSim.

    Args:
        score_type: name of an entry point of `cenote.scorers`, or several with `+` between them, whose scores are
            mixed; None is the model's own.
        supported: tasks of the model.
        default_task: its task where a request names none.
        registry: where to look; None is the registry of this process.
        own: the way that a model was made for whose default task is `embed` (sparse encoders).
        similarity: that the model's files name, for ways of scoring that have several (`by_similarity`).
        weights: of the parts of a mix, in the order dense, sparse, colbert; None is equal ones.
        is_fused: False takes the reference kernel for ways of scoring that have a faster one (`unfused`).

    Raises:
        UnsupportedTask: the model cannot score, or not this way, or the similarity is unknown.
        UnknownPlugin: nothing offers a way of this name.
        InvalidRequest: a part is named twice, or the weights do not fit.
    """
    if not isinstance(score_type, str | None):
        raise WrongType(f"score_type must be a name, not {score_type!r:.80}.", param="score_type")
    by_task = own if own is not None and default_task == "embed" else _BY_TASK.get(default_task)
    name = score_type if score_type is not None else ("cross-encoder" if "score" in supported else by_task)
    if name is None:
        offered = ", ".join(sorted(supported))
        hint = "A classifier scores pairs only when it has exactly one label."
        raise UnsupportedTask(f"This model cannot score pairs. {hint} It can do: {offered}.", param="score_type")
    names = in_order(name.split(JOINT))
    if weights is not None:
        check_weights(weights, names)
    registry = registry or default_registry()
    parts = [_scorer(part, supported, registry) for part in names]
    if similarity is not None:
        parts = [_compared(part, similarity, is_own=each == by_task) for each, part in zip(names, parts, strict=True)]
    if not is_fused:
        parts = [part.unfused() if hasattr(part, "unfused") else part for part in parts]
    return parts[0] if len(parts) == 1 else Hybrid(parts, weights)


def _scorer(name: str, supported: Collection[str], registry: Registry) -> Scorer:
    """Return one way of scoring, or say what the model lacks for it."""
    scorer: Scorer = registry.get(_GROUP, name)
    entry = registry.entries(_GROUP)[name][0]
    if not entry.is_built_in:
        scorer = GuardedScorer(scorer, entry)
    for task in (scorer.task, *further_tasks(scorer)):
        if task not in supported:
            offered = ", ".join(sorted(supported))
            text = f"score_type {name!r} needs the task {task!r}, which this model does not have. It can do: {offered}."
            raise UnsupportedTask(text, param="score_type")
    return scorer


def _compared(scorer: Scorer, similarity: str, *, is_own: bool) -> Scorer:
    """Return the form of a scorer for the similarity that the model's files name, which is that of its own way.

    That of vectors of tokens says nothing of the other results of a model that has several.
    """
    by_similarity = getattr(scorer, "by_similarity", None)
    if by_similarity is None or (similarity in TOKEN_SIMILARITIES and scorer.task != "token_embed" and not is_own):
        return scorer
    return cast("Scorer", by_similarity(similarity))
