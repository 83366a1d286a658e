"""The OpenAI dialect: `/v1/embeddings`."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from pydantic import Field, model_validator
from starlette.responses import Response

from cenote.errors import InvalidRequest
from cenote.server.body import json_body_schema, read_body
from cenote.server.encoding import ElementType, Endianness, VectorFormat, WireEncoding, is_large, join_objects
from cenote.server.errors import ApiError
from cenote.server.fields import TokenizationFields, parse_role
from cenote.server.inference import InferenceCall, infer
from cenote.server.models import ServedModel
from cenote.server.prompts import PromptInput
from cenote.server.request_ids import claim_request_id
from cenote.server.state import ServerState, state_of
from cenote.server.usage import Usage
from cenote.types import PoolingParams

if TYPE_CHECKING:
    from torch import Tensor

    from cenote.outputs import PoolingRequestOutput

__all__ = ["EmbeddingRequest", "openai_router"]

_TASK = "embed"


class EmbeddingRequest(TokenizationFields):
    """Body of `/v1/embeddings`."""

    input: PromptInput = Field(description="What to embed.")
    encoding_format: WireEncoding = "float"
    embed_dtype: ElementType = "float32"
    endianness: Endianness = "native"
    dimensions: int | None = Field(default=None, description="Keep so many components (matryoshka models).")
    use_activation: bool | None = Field(default=None, description="L2-normalise; none is the model's default.")
    input_type: str | None = Field(default=None, description="query or document, or a synonym of one.")
    prompt_name: str | None = Field(default=None, description="Put the model's stored prompt of this name in front.")
    prompt: str | None = Field(default=None, description="Put this text in front of every input.")
    lora: str | None = Field(default=None, description="Run with this low-rank adapter; its name also serves as model.")

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
    state = state_of(request)
    model = state.models.resolve(body.model)
    _check_offered(model)
    most = state.config.max_items_per_request
    if len(body.input) > most:
        raise InvalidRequest(f"input has {len(body.input)} elements; at most {most} are allowed.", param="input")
    outputs = await infer(request, _to_call(body, model, response_id))
    vectors = VectorFormat(body.encoding_format, body.embed_dtype, body.endianness)
    if is_large([output.outputs.data for output in outputs]):
        return await asyncio.to_thread(_to_response, outputs, vectors, response_id, model.name)
    return _to_response(outputs, vectors, response_id, model.name)


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
        params=PoolingParams(
            dimensions=body.dimensions,
            use_activation=body.use_activation,
            prompt_name=body.prompt_name,
            prompt=body.prompt,
            lora=body.lora,
        ),
        tokenization=body.tokenization(model.engine.engine.max_tokens(_TASK)),
        response_id=response_id,
        role=parse_role(body.input_type),
        priority=body.priority,
    )


def _to_response(
    outputs: Sequence[PoolingRequestOutput], vectors: VectorFormat, response_id: str, model: str
) -> Response:
    usage = Usage.of(outputs)
    data = [output.outputs.data for output in outputs]
    if vectors.is_binary:
        return _binary_response(data, vectors, {"id": response_id, "model": model, "usage": usage.short()})
    items = [
        b'{"index":%d,"object":"embedding","embedding":%b}' % (index, vectors.to_json(vector))
        for index, vector in enumerate(data)
    ]
    head: dict[str, object] = {"id": response_id, "object": "list", "created": int(time.time()), "model": model}
    return Response(join_objects(head, "data", items, {"usage": usage.full()}), media_type="application/json")


def _binary_response(data: Sequence[Tensor], vectors: VectorFormat, head: dict[str, object]) -> Response:
    """Return raw numbers; where each vector lies is told by the header `metadata`, unless it is not wanted."""
    parts = [vectors.to_bytes(vector) for vector in data]
    response = Response(b"".join(parts), media_type="application/octet-stream")
    if vectors.encoding == "bytes_only":
        return response
    entries, start = [], 0
    for index, (vector, part) in enumerate(zip(data, parts, strict=True)):
        entry = {"index": index, "embed_dtype": vectors.dtype, "endianness": vectors.endianness}
        entries.append({**entry, "start": start, "end": start + len(part), "shape": list(vector.shape)})
        start += len(part)
    metadata = {**head, "created": int(time.time()), "data": entries}
    # Headers carry ASCII safely; the standard library escapes everything else, orjson cannot.
    response.headers["metadata"] = json.dumps(metadata, separators=(",", ":"))
    return response
