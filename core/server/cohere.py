"""Cohere's dialect: `/v1/embed`, `/v2/embed` and `/v1/check-api-key`; its rerank routes are in `rerank`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from starlette.responses import Response
from typing_extensions import TypedDict

from cenote.errors import InvalidRequest, PromptTooLong
from cenote.outputs import RequestError
from cenote.server.api_error import ApiError
from cenote.server.body import read_body
from cenote.server.cohere_fields import CohereEmbedRequest
from cenote.server.cohere_reply import EmbedByTypeResponse, EmbedFloatsResponse, embed_reply
from cenote.server.cohere_tokenize import cohere_tokenize_router
from cenote.server.encoding import is_large
from cenote.server.inference import InferenceCall, infer
from cenote.server.item_errors import write_items
from cenote.server.models import ServedModel
from cenote.server.openapi import json_body_schema, reply_schema
from cenote.server.request_ids import claim_request_id
from cenote.server.score_fields import check_items
from cenote.server.score_reply import write_json
from cenote.server.state import ServerState, state_of
from cenote.types import Prompt

if TYPE_CHECKING:
    from cenote.outputs import PoolingRequestOutput

__all__ = ["cohere_router"]

_TASK = "embed"
_EXAMPLES: dict[str, dict[str, Any]] = {
    "texts": {"texts": ["A cenote is a natural pit."], "input_type": "search_document", "embedding_types": ["float"]},
    "content of parts": {"inputs": [{"content": [{"type": "text", "text": "A cenote is a natural pit."}]}]},
}


class KeyCheck(TypedDict):
    """Answer of `/v1/check-api-key`."""

    valid: bool


def cohere_router(state: ServerState) -> APIRouter:
    """Return the routes of this dialect that the served models can answer."""
    router = APIRouter(tags=["cohere"])

    @router.post("/v1/check-api-key", summary="Say that the key of this request is valid", openapi_extra=_KEY_EXTRA)
    async def check_api_key(request: Request) -> Response:
        return write_json({"valid": True})  # a wrong key does not come this far

    router.routes.extend(cohere_tokenize_router().routes)
    if any(map(_embeds, state.models)):
        _add_embed_routes(router)
    return router


_KEY_EXTRA = reply_schema(KeyCheck)


def _add_embed_routes(router: APIRouter) -> None:
    both = EmbedFloatsResponse | EmbedByTypeResponse
    first = json_body_schema(CohereEmbedRequest, examples=_EXAMPLES, response=both)
    second = json_body_schema(CohereEmbedRequest, examples=_EXAMPLES, response=EmbedByTypeResponse)

    @router.post("/v1/embed", summary="Embed texts or images (Cohere, version 1)", openapi_extra=first)
    async def embed_v1(request: Request) -> Response:
        return await _embed(request, "1")

    @router.post("/v2/embed", summary="Embed texts or images (Cohere, version 2)", openapi_extra=second)
    async def embed_v2(request: Request) -> Response:
        return await _embed(request, "2")


def _embeds(model: ServedModel) -> bool:
    return model.offers([_TASK])


async def _embed(request: Request, version: str) -> Response:
    body = await read_body(request, CohereEmbedRequest)
    response_id = f"embd-{claim_request_id(request, body.request_id)}"
    name, prompts = body.given()
    model = state_of(request).models.resolve(body.model, lambda model: _embeds(model) and model.reads(prompts))
    if not _embeds(model):
        tasks = ", ".join(model.engine.supported_tasks)
        raise ApiError(501, "NotImplementedError", f"The model {model.name!r} gives no embeddings; it offers {tasks}.")
    check_items(prompts, state_of(request).config.max_items_per_request, name)
    if name == "images" and not model.reads(prompts):
        raise InvalidRequest("The served models read text, not images; send texts.", param=name)
    outputs = await _run(request, body, model, response_id, prompts)
    write = partial(
        embed_reply,
        types=body.types(),
        by_type=version == "2" or body.embedding_types is not None,
        response_id=response_id,
        texts=body.texts,
        version=version,
        has_media=any(prompt.media for prompt in prompts),
    )
    reply = partial(write_items, outputs, body.on_error, write)
    vectors = [output.outputs.data for output in outputs]
    return await asyncio.to_thread(reply) if is_large(vectors, body.types()) else reply()


async def _run(
    request: Request, body: CohereEmbedRequest, model: ServedModel, response_id: str, prompts: Sequence[Prompt]
) -> list[PoolingRequestOutput]:
    """Embed the inputs; errors name the fields of this dialect."""
    params, role = body.asked(model)
    call = InferenceCall(
        model=model,
        asked_name=body.model,
        prompts=prompts,
        task=_TASK,
        params=params,
        tokenization=body.cut(model.engine.engine.max_tokens(_TASK)),
        response_id=response_id,
        role=role,
        priority=body.priority,
        on_error=body.on_error,
    )
    try:
        return [_check_length(output, at, body) for at, output in enumerate(await infer(request, call))]
    except PromptTooLong as exc:
        exc.args = (_in_cohere_words(str(exc)),)
        raise
    except InvalidRequest as exc:
        exc.param = "output_dimension" if exc.param == "dimensions" else exc.param
        raise


def _check_length(output: PoolingRequestOutput, at: int, body: CohereEmbedRequest) -> PoolingRequestOutput:
    """Refuse a text of more than `max_tokens` where nothing is cut; it is known only once tokenised.

    Raises:
        InvalidRequest: as said, unless one text may fail alone.
    """
    if output.error is not None:
        return replace(output, error=replace(output.error, message=_in_cohere_words(output.error.message)))
    found, most = len(output.prompt_token_ids), body.max_tokens
    if body.truncate != "NONE" or most is None or found <= most:
        return output
    text = f"Text {at} has {found} tokens, but max_tokens is {most}. Shorten it, or set truncate to END."
    if body.on_error == "raise":
        raise InvalidRequest(text, param="max_tokens")
    return replace(output, error=RequestError(code=400, message=text, param="max_tokens"))


def _in_cohere_words(text: str) -> str:
    return text.replace("with truncate_prompt_tokens=-1", 'with truncate="END"')
