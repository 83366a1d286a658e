"""The OpenAI dialect: `/v1/embeddings`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field, model_validator
from starlette.responses import Response

from cenote.errors import InvalidRequest
from cenote.server.api_error import ApiError
from cenote.server.body import json_body_schema, read_body
from cenote.server.inference import InferenceCall, check_count, infer
from cenote.server.models import ServedModel
from cenote.server.pooling_fields import PoolingFields
from cenote.server.prompts import PromptInput
from cenote.server.replies import list_response
from cenote.server.request_ids import claim_request_id
from cenote.server.state import ServerState, state_of

__all__ = ["EmbeddingRequest", "openai_router"]

_TASK = "embed"


class EmbeddingRequest(PoolingFields):
    """Body of `/v1/embeddings`."""

    input: PromptInput = Field(description="What to embed.")

    @model_validator(mode="before")
    @classmethod
    def _refuse_other_forms(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        if "messages" in data and "input" in data:
            raise InvalidRequest("The body has both input and messages; send one of them.", param="messages")
        if "messages" in data:
            text = "Chat input (messages) is not offered yet by this version of cenote; send input instead."
            raise InvalidRequest(text, param="messages")
        if data.get("outputs", ["dense"]) != ["dense"]:
            raise InvalidRequest("outputs other than ['dense'] are not offered by this version.", param="outputs")
        return data


def openai_router(state: ServerState) -> APIRouter:
    """Return the routes of this dialect that the served models can answer."""
    router = APIRouter(tags=["openai"])
    if not any(_TASK in model.engine.supported_tasks for model in state.models):
        return router

    @router.post("/v1/embeddings", summary="Embed texts or token ids", openapi_extra=json_body_schema(EmbeddingRequest))
    async def create_embeddings(request: Request) -> Response:
        return await _create_embeddings(request)

    return router


async def _create_embeddings(request: Request) -> Response:
    body = await read_body(request, EmbeddingRequest)
    response_id = f"embd-{claim_request_id(request, body.request_id)}"
    model = state_of(request).models.resolve(body.model)
    _check_offered(model)
    check_count(request, body.input)
    outputs = await infer(request, _to_call(body, model, response_id))
    return await list_response(outputs, body.vectors(), response_id, model.name, kind="embedding", key="embedding")


def _check_offered(model: ServedModel) -> None:
    if _TASK not in model.engine.supported_tasks:
        tasks = ", ".join(model.engine.supported_tasks)
        raise ApiError(501, "NotImplementedError", f"The model {model.name!r} gives no embeddings; it offers {tasks}.")


def _to_call(body: EmbeddingRequest, model: ServedModel, response_id: str) -> InferenceCall:
    return InferenceCall(
        model=model,
        asked_name=body.model,
        prompts=body.input,
        task=_TASK,
        params=body.params(),
        tokenization=body.tokenization(model.engine.engine.max_tokens(_TASK)),
        response_id=response_id,
        role=body.role(),
        priority=body.priority,
        on_error=body.on_error,
    )
