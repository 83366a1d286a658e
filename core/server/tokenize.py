"""`/tokenize` and `/detokenize`: tokens as the model sees them, without running it."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from cenote.engine.token_view import TokenView
from cenote.errors import InvalidRequest
from cenote.server.body import json_body_schema, read_body, read_json, validate
from cenote.server.models import ServedModel
from cenote.server.request_ids import claim_request_id
from cenote.server.state import ServerState
from cenote.server.tei_errors import tei_envelope
from cenote.server.tei_tokenize import TeiTokenizeRequest, TeiTokens, tei_tokenize
from cenote.server.tokenize_fields import (
    DetokenizeRequest,
    DetokenizeResponse,
    TokenizeChatRequest,
    TokenizeResponse,
    TokenizeTextRequest,
)
from cenote.server.tokenize_run import check_ids, named_model, tokenize_all, vocabulary_words

__all__ = ["tokenize_router"]

_EXAMPLES: dict[str, dict[str, Any]] = {
    "A text": {"prompt": "What is a cenote?", "return_token_strs": True},
    "As text-embeddings-inference": {"inputs": "What is a cenote?"},
}


def tokenize_router(state: ServerState) -> APIRouter:
    """Return the routes, which every model can answer."""
    router = APIRouter(tags=["tokenize"])
    del state
    extra = json_body_schema(
        TokenizeTextRequest | TokenizeChatRequest | TeiTokenizeRequest,
        examples=_EXAMPLES,
        response=TokenizeResponse | TeiTokens,
        errors=(tei_envelope,),
    )

    @router.post("/tokenize", summary="Text or a conversation to token ids", openapi_extra=extra)
    async def tokenize(request: Request) -> Response:
        return await _tokenize(request)

    extra = json_body_schema(DetokenizeRequest, example={"tokens": [101, 102]}, response=DetokenizeResponse)

    @router.post("/detokenize", summary="Token ids to text", openapi_extra=extra)
    async def detokenize(request: Request) -> Response:
        return await _detokenize(request)

    return router


async def _tokenize(request: Request) -> Response:
    data = await read_json(request)
    forms = [name for name in ("prompt", "messages", "inputs") if data.get(name) is not None]
    if forms == ["inputs"]:
        return await tei_tokenize(request, data)
    if len(forms) != 1:
        found = " and ".join(forms) or "neither prompt nor messages"
        raise InvalidRequest(f"The body has {found}; send prompt or messages.", param=forms[-1] if forms else "prompt")
    form = TokenizeTextRequest if forms == ["prompt"] else TokenizeChatRequest
    body: TokenizeTextRequest | TokenizeChatRequest = await validate(data, form, request)
    claim_request_id(request, body.request_id)
    model = named_model(request, body.model)

    def read(view: TokenView) -> bytes:
        return _encode(model, view, with_strings=body.return_token_strs)

    (answer,) = await tokenize_all(
        model,
        body.prompts(),
        role=body.role(),
        prompt_name=body.prompt_name,
        options=body.options(),
        read=read,
    )
    return Response(answer, media_type="application/json")


def _encode(model: ServedModel, view: TokenView, *, with_strings: bool) -> bytes:
    reply: TokenizeResponse = {
        "count": len(view.ids),
        "max_model_len": model.engine.limits.max_tokens,
        "tokens": list(view.ids),
        "token_strs": vocabulary_words(model.engine.get_tokenizer(), view.ids) if with_strings else None,
        "offsets": None if view.located is None else view.located.own_spans(),
    }
    return orjson.dumps(reply)


async def _detokenize(request: Request) -> Response:
    body = await read_body(request, DetokenizeRequest)
    claim_request_id(request, body.request_id)
    model = named_model(request, body.model)
    check_ids(model, [body.tokens], "tokens")
    text = await asyncio.to_thread(model.engine.get_tokenizer().decode, body.tokens)
    return Response(orjson.dumps({"prompt": text}), media_type="application/json")
