"""What `cenote rerank` and `cenote score` have in common: how their inputs are called, and what is asked of a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cenote.cli.calls import CUT
from cenote.cli.terminal import wants_bar
from cenote.errors import InvalidRequest

if TYPE_CHECKING:
    from cenote import LLM

__all__ = ["name_sides", "score_arguments", "split_weights"]


def name_sides(
    llm: LLM,
    score_type: str | None,
    queries: int,
    name_query: Callable[[int], str],
    name_document: Callable[[int], str],
) -> tuple[str, Callable[[int], str]]:
    """Return the task that scores, and what to call the engine's prompt at a place.

    Models that read pairs have one prompt per pair, which is called by its document; others read all queries, then
    all documents.

    Args:
        llm: the model.
        score_type: as the user asked for it.
        queries: number of queries.
        name_query: what to call the query at a place.
        name_document: what to call the document, or pair, at a place.
    """
    from cenote.engine.scoring import scorer_of
    from cenote.types import Prompt

    scorer = scorer_of(llm, score_type)
    if scorer.inputs([Prompt(text="a")], [Prompt(text="b")], [(0, 0)])[0].side == "pair":
        return scorer.task, name_document
    return scorer.task, lambda place: name_query(place) if place < queries else name_document(place - queries)


def split_weights(given: str | None) -> list[float] | None:
    """Return the numbers in `1,0.5`.

    Raises:
        InvalidRequest: something in it is no number.
    """
    try:
        return None if given is None else [float(each) for each in given.split(",")]
    except ValueError as exc:
        text = f"--weights takes numbers with commas between them, as in 0.4,0.2,0.4, not {given!r:.80}."
        raise InvalidRequest(text, param="weights") from exc


def score_arguments(
    count: int,
    *,
    truncate: bool,
    raw: bool,
    instruction: str | None,
    score_type: str | None,
    use_prompts: bool,
    weights: list[float] | None,
    pool_factor: int | None,
    lora: str | None,
) -> dict[str, Any]:
    """Return keyword arguments of `LLM.score` and `LLM.rerank` for so many pairs."""
    from cenote import PoolingParams

    return {
        "use_tqdm": wants_bar(count),
        "pooling_params": PoolingParams(use_activation=False if raw else None, pool_factor=pool_factor),
        "tokenization_kwargs": CUT if truncate else None,
        "instruction": instruction,
        "score_type": score_type,
        "use_prompts": use_prompts,
        "weights": weights,
        "lora": lora,
    }
