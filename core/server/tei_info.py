"""text-embeddings-inference's (TEI) dialect: `/info`, and the root of the server.

Source: `Info` in docs/openapi.json of TEI 1.9.3; for the root, router/src/http/server.rs. A `POST /` is what clients of
the Hugging Face hub send: the default model's kind says what it means, unless only one route has bodies of that form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response
from typing_extensions import TypedDict

import cenote
from cenote.server.body import json_body_schema, read_json
from cenote.server.models import ServedModel
from cenote.server.openapi import reply_schema
from cenote.server.state import ServerState, state_of
from cenote.server.tei import TeiEmbedRequest, tei_embed, tei_embed_sparse
from cenote.server.tei_predict import TeiPredictRequest, tei_predict
from cenote.server.tei_rerank import TeiRerankRequest, tei_rerank
from cenote.server.tei_similarity import TeiSimilarityRequest, tei_similarity

if TYPE_CHECKING:
    from cenote.engine import AsyncLLM

__all__ = ["tei_info_router"]


class TeiInfo(TypedDict):
    """Answer of `/info`."""

    model_id: str
    model_sha: str | None
    model_dtype: str
    served_model_name: str
    model_type: dict[str, Any]
    max_concurrent_requests: int | None
    max_input_length: int
    max_batch_tokens: int
    max_batch_requests: int | None
    max_client_batch_size: int
    auto_truncate: bool
    tokenization_workers: int
    version: str
    sha: str | None
    docker_label: str | None


class Welcome(TypedDict):
    """Answer of `/`."""

    name: str
    version: str
    docs: str | None
    openapi: str | None
    models: str


#: TEI's names of methods that are called otherwise here.
_POOLING = {"LAST": "last-token"}
_ROOT_EXAMPLE = {"inputs": "What is a cenote?", "query": "What is a cenote?", "texts": ["A natural pit."]}


def tei_info_router(state: ServerState) -> APIRouter:
    """Return the routes, which every model can answer."""
    router = APIRouter(tags=["text-embeddings-inference"])

    @router.get("/info", summary="What is served, and its limits", openapi_extra=reply_schema(TeiInfo))
    async def info(request: Request, model: str | None = None) -> Response:
        body = _info(state, state_of(request).models.resolve(model))
        return Response(orjson.dumps(body), media_type="application/json")

    @router.get("/", summary="Where to read on", openapi_extra=reply_schema(Welcome))
    async def welcome(request: Request) -> Response:
        return Response(orjson.dumps(_welcome(state, request)), media_type="application/json")

    bodies = TeiEmbedRequest | TeiPredictRequest | TeiSimilarityRequest | TeiRerankRequest
    extra = json_body_schema(bodies, example=_ROOT_EXAMPLE, response=list[Any])

    @router.post("/", summary="What the default model is for: embed, predict or rerank", openapi_extra=extra)
    async def root(request: Request) -> Response:
        return await _root(request)

    return router


async def _root(request: Request) -> Response:
    data = await read_json(request)
    name = data.get("model")
    engine = state_of(request).models.resolve(name if isinstance(name, str) else None).engine
    tasks = engine.supported_tasks
    only_ranks = "score" in tasks or not {"embed", "classify"} & set(tasks)
    if "texts" in data and "query" in data and (only_ranks or "inputs" not in data):
        return await tei_rerank(request, data)
    if isinstance(data.get("inputs"), dict):
        return await tei_similarity(request, data)
    if _is_sparse(engine):
        return await tei_embed_sparse(request, data)
    if "classify" in tasks:
        return await tei_predict(request, data)
    return await tei_embed(request, data)


def _is_sparse(engine: AsyncLLM) -> bool:
    """Tell whether a model's vectors are weights of its vocabulary: TEI's splade."""
    return "sparse_embed" in engine.supported_tasks and engine.limits.embedding_size > engine.limits.max_token_id


def _welcome(state: ServerState, request: Request) -> Welcome:
    base = request.scope.get("root_path", "")
    shown = not state.config.disable_fastapi_docs
    return {
        "name": "cenote",
        "version": cenote.__version__,
        "docs": f"{base}/docs" if shown else None,
        "openapi": f"{base}/openapi.json" if shown else None,
        "models": f"{base}/v1/models",
    }


def _info(state: ServerState, model: ServedModel) -> TeiInfo:
    engine = model.engine
    config = engine.config
    return {
        "model_id": model.name,
        "model_sha": None,
        "model_dtype": engine.report().get("dtype", config.dtype).partition(" ")[0].removeprefix("torch."),
        "served_model_name": model.name,
        "model_type": _kind(engine),
        "max_concurrent_requests": config.max_num_queued_reqs,
        "max_input_length": engine.limits.max_tokens,
        "max_batch_tokens": engine.engine.max_batch_tokens,
        "max_batch_requests": config.max_num_seqs,
        "max_client_batch_size": state.config.max_items_per_request,
        "auto_truncate": False,
        "tokenization_workers": config.renderer_num_workers,
        "version": cenote.__version__,
        "sha": None,
        "docker_label": None,
    }


def _kind(engine: AsyncLLM) -> dict[str, Any]:
    tasks = engine.supported_tasks
    if "classify" in tasks:
        labels = {str(place): label for place, label in enumerate(engine.labels)}
        names = {"id2label": labels, "label2id": {label: place for place, label in enumerate(engine.labels)}}
        return {"reranker" if "score" in tasks else "classifier": names}
    if _is_sparse(engine):
        return {"embedding": {"pooling": "splade"}}
    pooling = engine.report().get("pooling", "none").partition(" ")[0]
    return {"embedding": {"pooling": _POOLING.get(pooling, pooling.lower())}}
