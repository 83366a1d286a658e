"""`/score` and `/v1/score`: one number per pair of texts."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from itertools import count
from typing import Any, NotRequired

from fastapi import APIRouter, Request
from pydantic import Field, model_validator
from starlette.responses import Response
from typing_extensions import TypedDict

from cenote.errors import InvalidRequest
from cenote.outputs import ScoringRequestOutput
from cenote.server.body import read_json, validate
from cenote.server.item_errors import ItemError, item_error, write_items
from cenote.server.openapi import json_body_schema
from cenote.server.request_ids import claim_request_id
from cenote.server.score_fields import ScoreMany, ScoringFields
from cenote.server.score_reply import ScoreUsage, score_number, write_json
from cenote.server.score_run import can_score, run_scores
from cenote.server.state import ServerState, state_of
from cenote.types import Prompt

__all__ = ["ScoreRequest", "answer_scores", "score_router"]

_SIDES = (("queries", "documents"), ("queries", "items"), ("data_1", "data_2"), ("text_1", "text_2"))
_KEYS = tuple(dict.fromkeys(key for pair in _SIDES for key in pair))
_EXAMPLE = {"queries": "What is a cenote?", "documents": ["A natural pit.", "A kind of bread."]}


class ScoreRequest(ScoringFields):
    """Body of `/score`: exactly one of the pairs of keys, and on each side one text or several."""

    queries: ScoreMany | None = Field(default=None, description="One text or image, or as many as documents or items.")
    documents: ScoreMany | None = Field(default=None, description="What is scored for the queries.")
    items: ScoreMany | None = Field(default=None, description="Another name of documents.")
    data_1: ScoreMany | None = Field(default=None, description="Older name of queries; goes with data_2.")
    data_2: ScoreMany | None = Field(default=None, description="Older name of documents; goes with data_1.")
    text_1: ScoreMany | None = Field(default=None, description="Older name of queries; goes with text_2.")
    text_2: ScoreMany | None = Field(default=None, description="Older name of documents; goes with text_1.")

    @model_validator(mode="before")
    @classmethod
    def _check_sides(cls, data: Any) -> Any:
        found = tuple(key for key in _KEYS if isinstance(data, dict) and key in data)
        if found not in _SIDES:
            pairs = ", ".join(" and ".join(pair) for pair in _SIDES)
            text = (
                f"The body has {' and '.join(found) or 'none of the keys'}; send exactly one of these pairs: {pairs}."
            )
            raise InvalidRequest(text, param=found[0] if found else "queries")
        return data

    def sides(self) -> tuple[tuple[str, str], tuple[Prompt, ...], tuple[Prompt, ...]]:
        """Return the names of the two sides in the body, and what they hold."""
        given = ((names, getattr(self, names[0]), getattr(self, names[1])) for names in _SIDES)
        return next(each for each in given if each[1] is not None and each[2] is not None)


class ScoreEntry(TypedDict):
    """One pair: its number, or with `on_error: "item"` why there is none."""

    index: int
    object: str
    score: NotRequired[float]
    error: NotRequired[ItemError]


class ScoreResponse(TypedDict):
    """Answer of `/score`."""

    id: str
    object: str
    created: int
    model: str
    data: list[ScoreEntry]
    usage: ScoreUsage


def score_router(state: ServerState) -> APIRouter:
    """Return the routes, if a served model can score."""
    router = APIRouter(tags=["score"])
    if not any(can_score(model) for model in state.models):
        return router
    extra = json_body_schema(ScoreRequest, example=_EXAMPLE, response=ScoreResponse)

    @router.post("/score", summary="Score pairs of texts", openapi_extra=extra)
    @router.post("/v1/score", summary="Score pairs of texts", openapi_extra=extra)
    async def create_scores(request: Request) -> Response:
        return await answer_scores(request, await read_json(request))

    return router


async def answer_scores(request: Request, data: Mapping[str, Any]) -> Response:
    """Answer a request with this body.

    Raises:
        InvalidRequest: something about the request can never succeed.
        ApiError: 501, the model cannot score.
    """
    body = await validate(data, ScoreRequest, request)
    response_id = f"score-{claim_request_id(request, body.request_id)}"
    model = state_of(request).models.resolve(body.model, partial(can_score, score_type=body.score_type))
    names, queries, documents = body.sides()
    scored = await run_scores(request, body, model, response_id, names, queries, documents)
    head = {"id": response_id, "object": "list", "created": int(time.time()), "model": model.name}
    entries = write_items(scored.outputs, body.on_error, lambda outputs: list(map(_entry, count(), outputs)))
    return write_json({**head, "data": entries, "usage": scored.usage.full()})


def _entry(index: int, output: ScoringRequestOutput) -> dict[str, Any]:
    entry: dict[str, Any] = {"index": index, "object": "score"}
    if output.error is not None:
        return {**entry, "error": item_error(output.error)}
    return {**entry, "score": score_number(output)}
