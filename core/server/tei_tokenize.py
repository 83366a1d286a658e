"""text-embeddings-inference's (TEI) dialect, tokens: `/tokenize` with `inputs`, and `/decode`.

Source: docs/openapi.json of TEI 1.9.3, and `into_tokens` of its core/src/tokenization.rs: places count bytes of UTF-8,
and text that is put in front of an input counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import accumulate
from typing import Annotated, Any, TypeAlias

import orjson
from fastapi import APIRouter, Request
from pydantic import Field, PlainValidator, WithJsonSchema
from starlette.responses import Response
from typing_extensions import TypedDict

from cenote.engine.token_view import TokenView
from cenote.server.body import json_body_schema, read_json, validate
from cenote.server.models import ServedModel
from cenote.server.state import ServerState, state_of
from cenote.server.tei_errors import tei_envelope
from cenote.server.tei_fields import TeiFields
from cenote.server.tei_models import check_given, check_prompts, check_size
from cenote.server.text import show
from cenote.server.tokenize_run import check_characters, check_ids, tokenize_all, vocabulary_words
from cenote.types import Prompt, TokenizationOptions

__all__ = ["TeiTokenizeRequest", "TeiTokens", "tei_decode_router", "tei_tokenize"]


def _parse_texts(value: object) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"inputs is {show(value)}, but must be a string or a list of strings")
    return texts


def _parse_ids(value: object) -> list[list[int]]:
    if not isinstance(value, list):
        raise ValueError(f"ids is {show(value)}, but must be a list of token ids, or a list of such lists")
    lists = [value] if value and type(value[0]) is int else value
    for index, ids in enumerate(lists):
        if not isinstance(ids, list) or not all(type(item) is int and 0 <= item < 2**32 for item in ids):
            raise ValueError(f"list {index} of ids is {show(ids)}, but must be a list of token ids")
    return lists


_IDS = {"type": "array", "items": {"type": "integer", "minimum": 0}}
_Texts: TypeAlias = Annotated[
    list[str],
    PlainValidator(_parse_texts),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
_IdLists: TypeAlias = Annotated[
    list[list[int]],
    PlainValidator(_parse_ids),
    WithJsonSchema({"anyOf": [_IDS, {"type": "array", "items": _IDS, "minItems": 1}]}),
]


class TeiTokenizeRequest(TeiFields):
    """Body of `/tokenize` in TEI's form."""

    inputs: _Texts = Field(description="One text, or several.")
    add_special_tokens: bool = Field(default=True, description="Put the tokenizer's special tokens around each.")
    prompt_name: str | None = Field(default=None, description="Put the model's stored prompt of this name in front.")


class TeiDecodeRequest(TeiFields):
    """Body of `/decode`."""

    ids: _IdLists = Field(description="Token ids of one text, or of several.")
    skip_special_tokens: bool = Field(default=True, description="Leave special tokens out of the text.")


class TeiToken(TypedDict):
    """One token; `start` and `stop` count bytes, and are null for special tokens."""

    id: int
    text: str
    special: bool
    start: int | None
    stop: int | None


#: Answer of `/tokenize` in TEI's form.
TeiTokens: TypeAlias = list[list[TeiToken]]


def tei_decode_router(state: ServerState) -> APIRouter:
    """Return `/decode`, which every model can answer."""
    del state
    router = APIRouter(tags=["text-embeddings-inference"])
    extra = json_body_schema(TeiDecodeRequest, example={"ids": [[101, 102]]}, response=list[str])

    @router.post("/decode", summary="Token ids to texts", openapi_extra=extra)
    async def decode(request: Request) -> Response:
        return await _decode(request)

    return router


async def tei_tokenize(request: Request, data: dict[str, Any]) -> Response:
    """Answer a body with `inputs`: per text, its tokens with their places."""
    request.state.envelope = tei_envelope
    check_given(request, data.get("inputs"), "inputs")
    body = await validate(data, TeiTokenizeRequest, request)
    prompts = tuple(Prompt(text=text) for text in body.inputs)
    check_prompts(request, prompts)
    check_characters(body.inputs, "inputs")
    model = state_of(request).models.resolve(body.model)
    items = await tokenize_all(
        model,
        prompts,
        role=body.role(),
        prompt_name=body.prompt_name,
        options=TokenizationOptions(add_special_tokens=body.add_special_tokens),
        read=lambda view: orjson.dumps(_tokens(model, view)),
    )
    return Response(b"[" + b",".join(items) + b"]", media_type="application/json")


def _tokens(model: ServedModel, view: TokenView) -> list[TeiToken]:
    tokenizer = model.engine.get_tokenizer()
    words = vocabulary_words(tokenizer, view.ids)
    if view.located is None:
        special = set(tokenizer.all_special_ids)
        return [_token(number, word, number in special) for number, word in zip(view.ids, words, strict=True)]
    text, tokens = view.located.text, []
    places = None if text.isascii() else [0, *accumulate(len(char.encode()) for char in text)]
    for number, word, span in zip(view.ids, words, view.located.spans, strict=True):
        if span is None:
            tokens.append(_token(number, word, True))
        else:
            start, stop = span if places is None else (places[span[0]], places[span[1]])
            tokens.append(_token(number, text[slice(*span)], False, start, stop))
    return tokens


def _token(number: int, text: str, special: bool, start: int | None = None, stop: int | None = None) -> TeiToken:
    return {"id": number, "text": text, "special": special, "start": start, "stop": stop}


async def _decode(request: Request) -> Response:
    data = await read_json(request)
    check_given(request, data.get("ids"), "ids")
    body = await validate(data, TeiDecodeRequest, request)
    check_size(request, len(body.ids), "ids")
    model = state_of(request).models.resolve(body.model)
    check_ids(model, body.ids, "ids")
    texts = await asyncio.to_thread(_texts, model, body.ids, body.skip_special_tokens)
    return Response(orjson.dumps(texts), media_type="application/json")


def _texts(model: ServedModel, lists: Sequence[list[int]], skip_special_tokens: bool) -> list[str]:
    tokenizer = model.engine.get_tokenizer()
    return [tokenizer.decode(ids, skip_special_tokens=skip_special_tokens) for ids in lists]
