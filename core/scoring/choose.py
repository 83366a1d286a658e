"""Which way of scoring a model has."""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

from cenote.errors import UnsupportedTask
from cenote.registry import Registry, default_registry
from cenote.scoring.base import Scorer
from cenote.scoring.guarded import GuardedScorer

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
) -> Scorer:
    """Return the way of scoring asked for, or the model's own.

    A one-label classifier reads pairs; else the default task decides: `embed` is the cosine of two vectors,
    `token_embed` is MaxSim.

    Args:
        score_type: name of an entry point of `cenote.scorers`; None is the model's own.
        supported: tasks of the model.
        default_task: its task where a request names none.
        registry: where to look; None is the registry of this process.
        own: the way that a model was made for whose default task is `embed` (sparse encoders).
        similarity: that the model's files name, for ways of scoring that have several (`by_similarity`).

    Raises:
        UnsupportedTask: the model cannot score, or not this way, or the similarity is unknown.
        UnknownPlugin: nothing offers a way of this name.
    """
    by_task = own if own is not None and default_task == "embed" else _BY_TASK.get(default_task)
    name = score_type or ("cross-encoder" if "score" in supported else by_task)
    offered = ", ".join(sorted(supported))
    if name is None:
        hint = "A classifier scores pairs only when it has exactly one label."
        raise UnsupportedTask(f"This model cannot score pairs. {hint} It can do: {offered}.", param="score_type")
    registry = registry or default_registry()
    scorer: Scorer = registry.get(_GROUP, name)
    entry = registry.entries(_GROUP)[name][0]
    if not entry.is_built_in:
        scorer = GuardedScorer(scorer, entry)
    if scorer.task not in supported:
        text = (
            f"score_type {name!r} needs the task {scorer.task!r}, which this model does not have. It can do: {offered}."
        )
        raise UnsupportedTask(text, param="score_type")
    by_similarity = None if similarity is None else getattr(scorer, "by_similarity", None)
    return scorer if by_similarity is None else cast("Scorer", by_similarity(similarity))
