"""`/invocations`, the one route of Amazon SageMaker: the body tells which other route it is meant for.

The order in which forms are tried is that of http-api.md, section 8.10, among those that the model answers by its
default task.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from cenote.errors import InvalidRequest
from cenote.server.api_error import ApiError
from cenote.server.body import TooManyItems, read_json, validate
from cenote.server.classify import ClassificationRequest, ClassificationResponse, answer_classify
from cenote.server.embedding_fields import EmbeddingRequest
from cenote.server.embedding_reply import EmbeddingResponse, PoolingResponse
from cenote.server.models import ServedModel
from cenote.server.openai import answer_embeddings
from cenote.server.openapi import json_body_schema
from cenote.server.pooling import PoolingRequest, answer_pooling
from cenote.server.processed import answer_processed, selected_processors
from cenote.server.processed_fields import ProcessedRequest, ProcessedResponse, is_processed
from cenote.server.rerank import RerankRequest, answer_ranking
from cenote.server.rerank_reply import RerankResponse
from cenote.server.sagemaker import answer_session, with_adapter
from cenote.server.score import ScoreRequest, ScoreResponse, answer_scores
from cenote.server.score_run import can_score
from cenote.server.state import ServerState, state_of
from cenote.server.tei import TeiEmbedRequest, tei_embed
from cenote.server.tei_errors import tei_envelope
from cenote.server.tei_predict import TeiPredictions, tei_predict
from cenote.server.tei_rerank import TeiRank, tei_rerank
from cenote.server.text import shorten

__all__ = ["invocations_router"]

_EXAMPLES = {
    "What the model does by default": {"input": "What is a cenote?"},
    "As text-embeddings-inference": {"inputs": "What is a cenote?"},
}
#: What other forms compute on; beside one of them `data` is an unknown field.
_INPUTS = ("input", "messages", "query", "queries", "documents", "items", "data_1", "text_1")
Answer: TypeAlias = Callable[[Request, dict[str, Any]], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class _Form:
    """One kind of request: its body, what answers it, and which models do."""

    name: str
    body: type[BaseModel]
    answer: Answer
    fits: Callable[[ServedModel], bool]


_FORMS = (
    _Form("embeddings", EmbeddingRequest, answer_embeddings, lambda model: model.engine.default_task == "embed"),
    _Form("classify", ClassificationRequest, answer_classify, lambda model: model.engine.default_task == "classify"),
    _Form("rerank", RerankRequest, answer_ranking, can_score),
    _Form("score", ScoreRequest, answer_scores, can_score),
    _Form("pooling", PoolingRequest, answer_pooling, lambda model: True),
)


def invocations_router(state: ServerState) -> APIRouter:
    """Return the route, which every model can answer."""
    router = APIRouter(tags=["sagemaker"])
    bodies: Any = EmbeddingRequest | ClassificationRequest | RerankRequest | ScoreRequest | PoolingRequest
    replies: Any = EmbeddingResponse | ClassificationResponse | RerankResponse | ScoreResponse | PoolingResponse
    if selected_processors(state.models):
        bodies, replies = bodies | ProcessedRequest, replies | ProcessedResponse
    extra = json_body_schema(
        bodies | TeiEmbedRequest,
        examples=_EXAMPLES,
        response=replies | list[list[float]] | TeiPredictions | list[TeiRank],
        media=["application/octet-stream", "text/plain"],
        errors=[tei_envelope],
    )

    @router.post("/invocations", summary="Any request that the model answers (SageMaker)", openapi_extra=extra)
    async def invoke(request: Request) -> Response:
        data = await read_json(request)
        return answer_session(request, data) or await _answer(request, dict(with_adapter(request, data)))

    return router


async def _answer(request: Request, data: dict[str, Any]) -> Response:
    """Answer by the first form that the body fits; where it names no model, the first one with such a form answers.

    Raises:
        InvalidRequest: it fits none.
    """
    table, asked = state_of(request).models, data.get("model")
    named = isinstance(asked, str) and bool(asked)
    first = table.resolve(asked if named else None)
    foreign = _of_tei(data, first)
    if foreign is not None:
        request.state.envelope = tei_envelope
        return await foreign(request, data)
    if is_processed(data) and all(data.get(name) is None for name in _INPUTS):
        return await answer_processed(request, data)
    models = [first] if named else list(table)
    forms = _forms(data, models)
    reasons: dict[str, str] = {}
    for model in models:
        for form in forms:
            if not form.fits(model):
                continue
            try:
                await validate(data, form.body, request)
            except TooManyItems:  # in every form
                raise
            except (ApiError, InvalidRequest) as exc:
                reasons.setdefault(form.name, shorten(str(exc.detail if isinstance(exc, ApiError) else exc)))
                continue
            return await form.answer(request, data)
    whose = f"{first.name!r} answers" if named else "the served models answer"
    tried = "; ".join(f"{name} ({reason})" for name, reason in reasons.items())
    raise InvalidRequest(f"The body fits none of the requests that {whose}: {tried}")


def _forms(data: Mapping[str, Any], models: Sequence[ServedModel]) -> list[_Form]:
    """Return the forms in the order in which they are tried; one that would not heed the body's `task` is left out."""
    # On the route of embeddings, `task` is one of Jina's; a task of a model's is meant for /pooling.
    task = data.get("task")
    if not any(task in model.engine.supported_tasks for model in models):
        return list(_FORMS)
    others = (EmbeddingRequest,) if task == "classify" else (EmbeddingRequest, ClassificationRequest)
    return [form for form in _FORMS if form.body not in others]


def _of_tei(data: Mapping[str, Any], model: ServedModel) -> Answer | None:
    """Return what answers bodies of text-embeddings-inference, whose keys no other form has."""
    if data.get("texts") is not None and data.get("query") is not None:
        return tei_rerank
    if data.get("inputs") is not None:
        return tei_predict if model.engine.default_task == "classify" else tei_embed
    return None
