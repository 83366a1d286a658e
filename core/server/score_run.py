"""Score pairs of texts for one HTTP request: checks by the names of its fields, then the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import Request

from cenote.engine.scoring import scorer_of
from cenote.errors import InvalidRequest, UnknownPlugin, UnsupportedTask
from cenote.outputs import ScoringRequestOutput
from cenote.server.api_error import ApiError
from cenote.server.inference import ScoreCall, infer_scores
from cenote.server.models import ServedModel
from cenote.server.score_fields import ScoringFields, check_items
from cenote.server.state import state_of
from cenote.server.text import shorten
from cenote.server.usage import Usage
from cenote.types import Prompt

__all__ = ["Scored", "can_score", "run_scores"]


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores in the order of the pairs, and what they cost."""

    outputs: Sequence[ScoringRequestOutput]
    usage: Usage


def can_score(model: ServedModel, score_type: str | None = None) -> bool:
    """Tell whether a model has this way of scoring, or where none is named one of its own."""
    try:
        scorer_of(model.engine, score_type)
    except (UnsupportedTask, UnknownPlugin):
        return False
    return True


def check_scorer(model: ServedModel, score_type: str | None) -> None:
    """Refuse what a model cannot do.

    Raises:
        ApiError: 501, the model has no way of scoring, and none was asked for.
        InvalidRequest: the way asked for does not exist, or not for this model.
    """
    try:
        scorer_of(model.engine, score_type)
    except UnknownPlugin as exc:
        raise InvalidRequest(f"There is no such score_type. {shorten(str(exc))}", param="score_type") from exc
    except UnsupportedTask as exc:
        if score_type is not None:
            raise
        raise ApiError(501, "NotImplementedError", f"{model.name!r} cannot answer here. {exc}") from exc


async def run_scores(
    request: Request,
    body: ScoringFields,
    model: ServedModel,
    response_id: str,
    names: tuple[str, str],
    queries: Sequence[Prompt],
    documents: Sequence[Prompt],
) -> Scored:
    """Score one query with each document, or queries and documents one by one.

    Args:
        request: of the client.
        body: how to score.
        model: the model that the body names.
        response_id: prefix and request id.
        names: of the two sides in the body.
        queries: of the first.
        documents: of the second.

    Raises:
        ApiError: 501 where the model cannot score; 504 beyond the deadline, 503 when the server stops.
        InvalidRequest: something about the request can never succeed.
        ClientGone: the client left.
    """
    body.role()  # an unknown input_type is refused, though positions say which text is a query
    check_scorer(model, body.score_type)
    most = state_of(request).config.max_items_per_request
    for name, side in zip(names, (queries, documents), strict=True):
        check_items(side, most, name)
    call = ScoreCall(
        model=model,
        asked_name=body.model,
        queries=queries,
        documents=documents,
        params=body.params(),
        tokenization=body.pair_tokenization(model.engine.limits.max_tokens),
        response_id=response_id,
        score_type=body.score_type,
        use_prompts=body.use_prompts,
        weights=body.weights,
        priority=body.priority,
        on_error=body.on_error,
        names=names,
    )
    outputs = await infer_scores(request, call)
    return Scored(outputs, Usage.of(outputs))
