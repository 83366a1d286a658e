"""text-embeddings-inference's (TEI) dialect, embeddings: `/embed`, `/embed_all`, `/embed_sparse`.

Source: docs/openapi.json and router/src/http/server.rs of TEI 1.9.3. Token ids are taken as they are, where TEI turns
them into text and back; `dimensions` is for models that were trained for it, as on the other routes.
"""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import orjson
from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from cenote.outputs import PoolingRequestOutput, SparseOutput
from cenote.server.body import json_body_schema, read_json, validate
from cenote.server.inference import InferenceCall, infer
from cenote.server.request_ids import claim_request_id
from cenote.server.state import ServerState
from cenote.server.tei_fields import TeiEmbedFields
from cenote.server.tei_models import check_given, check_prompts, is_offered, model_for_task
from cenote.server.tei_replies import Cost, array_response, bare_response
from cenote.types import PoolingParams, Prompt

__all__ = ["TeiEmbedRequest", "count_characters", "run_embed", "tei_embed", "tei_embed_router", "tei_embed_sparse"]

_EXAMPLE = {"inputs": ["What is a cenote?", "A natural pit."]}


class TeiEmbedRequest(TeiEmbedFields):
    """Body of `/embed`."""

    normalize: bool = Field(default=True, description="Give vectors of length 1.")
    dimensions: int | None = Field(default=None, ge=1, description="Keep so many components (matryoshka models).")


class TeiSparseRequest(TeiEmbedFields):
    """Body of `/embed_sparse`."""


class TeiAllRequest(TeiEmbedFields):
    """Body of `/embed_all`."""


class TeiTerm(TypedDict):
    """A term of the vocabulary and its weight."""

    index: int
    value: float


def tei_embed_router(state: ServerState) -> APIRouter:
    """Return the routes; what no served model can do is 424 there, as in TEI."""
    router = APIRouter(tags=["text-embeddings-inference"])

    extra = json_body_schema(TeiEmbedRequest, example=_EXAMPLE, response=list[list[float]])

    @router.post(
        "/embed", summary="One vector per input", openapi_extra=extra, include_in_schema=is_offered(state, "embed")
    )
    async def embed(request: Request) -> Response:
        return await tei_embed(request, await read_json(request))

    extra = json_body_schema(TeiAllRequest, example=_EXAMPLE, response=list[list[list[float]]])

    @router.post(
        "/embed_all",
        summary="One vector per token of each input",
        openapi_extra=extra,
        include_in_schema=is_offered(state, "token_embed"),
    )
    async def embed_all(request: Request) -> Response:
        return await _embed_all(request)

    extra = json_body_schema(TeiSparseRequest, example=_EXAMPLE, response=list[list[TeiTerm]])

    @router.post(
        "/embed_sparse",
        summary="Weighted terms of each input",
        openapi_extra=extra,
        include_in_schema=is_offered(state, "sparse_embed"),
    )
    async def embed_sparse(request: Request) -> Response:
        return await tei_embed_sparse(request, await read_json(request))

    return router


async def tei_embed(request: Request, data: dict[str, Any]) -> Response:
    """Answer a body of `/embed`."""
    check_given(request, data.get("inputs"), "inputs")
    body = await validate(data, TeiEmbedRequest, request)
    cost = Cost(count_characters(body.inputs))
    params = PoolingParams(prompt_name=body.prompt_name, use_activation=body.normalize, dimensions=body.dimensions)
    return await array_response(await run_embed(request, body, "embed", params), cost)


async def _embed_all(request: Request) -> Response:
    data = await read_json(request)
    check_given(request, data.get("inputs"), "inputs")
    body = await validate(data, TeiAllRequest, request)
    cost = Cost(count_characters(body.inputs))
    # TEI gives what the backbone computed, but the vectors of a late-interaction model are its projected ones as it has
    # them: of length 1 where it normalises. Whatever is compared by MaxSim is these.
    is_late = model_for_task(request, body.model, "token_embed").engine.default_task == "token_embed"
    params = PoolingParams(prompt_name=body.prompt_name, use_activation=None if is_late else False)
    return await array_response(await run_embed(request, body, "token_embed", params), cost)


async def tei_embed_sparse(request: Request, data: dict[str, Any]) -> Response:
    """Answer a body of `/embed_sparse`."""
    check_given(request, data.get("inputs"), "inputs")
    body = await validate(data, TeiSparseRequest, request)
    cost = Cost(count_characters(body.inputs))
    outputs = await run_embed(request, body, "sparse_embed", PoolingParams(prompt_name=body.prompt_name))
    items = await asyncio.to_thread(lambda: [_terms(output) for output in outputs])
    return bare_response(items, cost.headers(sum(len(output.prompt_token_ids) for output in outputs)))


def _terms(output: PoolingRequestOutput) -> bytes:
    found = SparseOutput.of(output.outputs.data)
    # numpy's numbers keep the precision that they were computed in: JSON holds no digits beyond it.
    pairs = zip(found.indices, np.asarray(found.values, dtype=np.float32), strict=True)
    terms = [{"index": index, "value": value} for index, value in pairs]
    return orjson.dumps(terms, option=orjson.OPT_SERIALIZE_NUMPY)


async def run_embed(
    request: Request, body: TeiEmbedFields, task: str, params: PoolingParams
) -> list[PoolingRequestOutput]:
    """Run the inputs of a body.

    Raises:
        ApiError: 424, no model has the task; 400 and 413 as `check_prompts`; and as `infer`.
        InvalidRequest: something about the request can never succeed.
    """
    model = model_for_task(request, body.model, task)
    check_prompts(request, body.inputs)
    call = InferenceCall(
        model=model,
        asked_name=body.model,
        prompts=body.inputs,
        task=task,
        params=params,
        tokenization=body.tokenization(),
        response_id=f"tei-{claim_request_id(request, None)}",
        role=body.role(),
    )
    return await infer(request, call)


def count_characters(prompts: tuple[Prompt, ...]) -> int:
    """Return the characters of some prompts; a token id counts as one."""
    return sum(len(each.text or "") + len(each.text_pair or "") + len(each.token_ids or ()) for each in prompts)
