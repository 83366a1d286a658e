"""`/v1/embeddings`: OpenAI's body, with the native fields and those of Jina and Voyage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from cenote.errors import InvalidRequest
from cenote.server.api_error import ApiError
from cenote.server.body import read_json, validate
from cenote.server.columns import Column, check_columns, form_columns
from cenote.server.embedding_fields import EmbeddingRequest
from cenote.server.embedding_reply import EmbeddingResponse
from cenote.server.inference import InferenceCall, check_count, infer
from cenote.server.jina import JINA_FIELDS
from cenote.server.late_chunks import infer_chunks
from cenote.server.models import ServedModel
from cenote.server.openapi import json_body_schema
from cenote.server.replies import ListReply, list_response
from cenote.server.request_ids import claim_request_id
from cenote.server.state import ServerState, state_of
from cenote.server.synonyms import blame_as_sent, natively
from cenote.server.voyage import VOYAGE_FIELDS, detail_envelope
from cenote.tasks import FORMS, form_tasks

__all__ = ["answer_embeddings", "can_embed", "embedding_schema", "openai_router"]

_EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "two texts": {"input": ["A cenote is a natural pit.", "It fills with ground water."]},
    "base64": {"input": "A cenote is a natural pit.", "encoding_format": "base64"},
    "half the bytes": {"input": "A cenote is a natural pit.", "output_dtype": "float16", "encoding_format": "base64"},
    "chunks of one document, as Jina's clients ask": {"input": ["One. ", "Two."], "late_chunking": True},
}


def can_embed(model: ServedModel) -> bool:
    """Tell whether a model gives any form of an embedding."""
    return not set(FORMS.values()).isdisjoint(model.engine.supported_tasks)


def embedding_schema() -> dict[str, Any]:
    """Return what routes with this body say of themselves."""
    return json_body_schema(
        EmbeddingRequest,
        examples=_EXAMPLES,
        response=EmbeddingResponse,
        media=["application/octet-stream"],
        errors=[detail_envelope],
    )


def openai_router(state: ServerState) -> APIRouter:
    """Return the routes of this dialect that the served models can answer."""
    router = APIRouter(tags=["openai"])
    if not any(map(can_embed, state.models)):
        return router

    @router.post("/v1/embeddings", summary="Embed texts, images or conversations", openapi_extra=embedding_schema())
    async def create_embeddings(request: Request) -> Response:
        return await answer_embeddings(request, await read_json(request))

    return router


async def answer_embeddings(request: Request, data: Mapping[str, Any]) -> Response:
    """Answer a request with this body.

    Raises:
        InvalidRequest: something about the request can never succeed.
        ApiError: 501, the model gives no such embeddings.
    """
    if any(data.get(name) is not None for name in JINA_FIELDS | VOYAGE_FIELDS):
        request.state.envelope = detail_envelope
    body = await validate(data, EmbeddingRequest, request)
    response_id = f"embd-{claim_request_id(request, body.request_id)}"
    tasks, prompts = body.wanted_tasks(), body.given()
    model = state_of(request).models.resolve(body.model, lambda model: model.offers(tasks) and model.reads(prompts))
    synonyms = body.synonyms(model)
    with blame_as_sent(synonyms):
        return await _answer(request, natively(body, synonyms), model, response_id)


async def _answer(request: Request, body: EmbeddingRequest, model: ServedModel, response_id: str) -> Response:
    """Answer a body in native fields."""
    tasks = form_tasks(body.forms())
    _check_offered(model, tasks, body)
    check_count(request, body.given())
    columns = _columns(body, model)
    positions = body.return_positions
    check_columns(columns, on_error=body.on_error, count=len(body.given()), positions=positions)
    call = _to_call(body, model, response_id, tasks)
    work = infer_chunks(request, call, len(body.given())) if body.late_chunking else infer(request, call)
    reply = ListReply(response_id, model.name, "embedding", columns, body.on_error, positions)
    return await list_response(await work, reply)


def _check_offered(model: ServedModel, tasks: Sequence[str], body: EmbeddingRequest) -> None:
    """Refuse what the model cannot give: 501 where it is what the route is for, else the field is wrong."""
    offered = model.engine.supported_tasks
    missing = ", ".join(task for task in tasks if task not in offered)
    if not missing:
        return
    text = f"The model {model.name!r} offers {', '.join(offered)}, not {missing}."
    if body.outputs is None:
        raise ApiError(501, "NotImplementedError", text)
    raise InvalidRequest(text, param="outputs")


def _columns(body: EmbeddingRequest, model: ServedModel) -> list[Column]:
    columns = form_columns(body.forms(), body.vectors(), model.engine.token_texts if body.return_tokens else None)
    if body.return_multivector or body.variants() is not None:
        key = "embeddings" if body.return_multivector else columns[0].key
        # Jina's answers have no shape.
        return [replace(columns[0], key=key, variants=body.variants(), tells_shape=not body.return_multivector)]
    return columns


def _to_call(body: EmbeddingRequest, model: ServedModel, response_id: str, tasks: Sequence[str]) -> InferenceCall:
    longest = min(map(model.engine.engine.max_tokens, tasks))
    return InferenceCall(
        model=model,
        asked_name=body.model,
        prompts=body.prompts(),
        task=tasks[0],
        also=tuple(tasks[1:]),
        params=body.params(),
        tokenization=replace(body.tokenization(longest), chat=body.chat()),
        response_id=response_id,
        role=body.role(),
        priority=body.priority,
        on_error=body.on_error,
    )
