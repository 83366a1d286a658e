"""Cohere's `/v1/tokenize` and `/v1/detokenize`, which its client calls with `offline=False`.

Source: cohere 5 and 7, `BaseCohere.tokenize` and `detokenize`; in Cohere's API reference the answer has no special
tokens.
"""

from __future__ import annotations

import asyncio

import orjson
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response
from typing_extensions import TypedDict

from cenote.engine.token_view import TokenView
from cenote.server.body import json_body_schema, read_body
from cenote.server.request_ids import claim_request_id
from cenote.server.score_reply import write_json
from cenote.server.tokenize_fields import TokenId
from cenote.server.tokenize_run import check_characters, check_ids, named_model, tokenize_all, vocabulary_words
from cenote.types import Prompt, TokenizationOptions

__all__ = ["cohere_tokenize_router"]

_META = {"api_version": {"version": "1"}}


class CohereTokenizeRequest(BaseModel):
    """Body of `/v1/tokenize`."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, protected_namespaces=())

    text: str = Field(description="The text; no special tokens are put around it.")
    model: str | None = Field(default=None, description="A served name; none is the first model.")


class CohereDetokenizeRequest(BaseModel):
    """Body of `/v1/detokenize`."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, protected_namespaces=())

    tokens: list[TokenId] = Field(description="Token ids.")
    model: str | None = Field(default=None, description="A served name; none is the first model.")


class CohereTokens(TypedDict):
    """Answer of `/v1/tokenize`; `token_strings` are written as in the model's vocabulary."""

    tokens: list[int]
    token_strings: list[str]
    meta: dict[str, dict[str, str]]


class CohereText(TypedDict):
    """Answer of `/v1/detokenize`."""

    text: str
    meta: dict[str, dict[str, str]]


def cohere_tokenize_router() -> APIRouter:
    """Return the routes, which every model can answer."""
    router = APIRouter(tags=["cohere"])
    extra = json_body_schema(CohereTokenizeRequest, example={"text": "A natural pit."}, response=CohereTokens)

    @router.post("/v1/tokenize", summary="Text to token ids (Cohere)", openapi_extra=extra)
    async def tokenize(request: Request) -> Response:
        return await _tokenize(request)

    extra = json_body_schema(CohereDetokenizeRequest, example={"tokens": [101, 102]}, response=CohereText)

    @router.post("/v1/detokenize", summary="Token ids to text (Cohere)", openapi_extra=extra)
    async def detokenize(request: Request) -> Response:
        return await _detokenize(request)

    return router


async def _tokenize(request: Request) -> Response:
    body = await read_body(request, CohereTokenizeRequest)
    claim_request_id(request, None)
    model = named_model(request, body.model)
    check_characters([body.text], "text")

    def read(view: TokenView) -> bytes:
        words = vocabulary_words(model.engine.get_tokenizer(), view.ids)
        return orjson.dumps({"tokens": list(view.ids), "token_strings": words, "meta": _META})

    options = TokenizationOptions(add_special_tokens=False)
    (answer,) = await tokenize_all(
        model, [Prompt(text=body.text)], role=None, prompt_name=None, options=options, read=read
    )
    return Response(answer, media_type="application/json")


async def _detokenize(request: Request) -> Response:
    body = await read_body(request, CohereDetokenizeRequest)
    claim_request_id(request, None)
    model = named_model(request, body.model)
    check_ids(model, [body.tokens], "tokens")
    text = await asyncio.to_thread(model.engine.get_tokenizer().decode, body.tokens)
    return write_json({"text": text, "meta": _META})
