"""The routes of Infinity: `/embeddings`, with the body of `/v1/embeddings`, and `/models`; others are shared.

Source: infinity_emb 0.0.7x, fastapi_schemas/pymodels.py, and litellm's `infinity/` provider, which puts `/embeddings`
behind the base address, sends `modality`, and `output_dimension` for `dimensions`.
"""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response
from typing_extensions import TypedDict

from cenote.server.body import read_json
from cenote.server.models import ServedModel, model_cards
from cenote.server.openai import answer_embeddings, can_embed, embedding_schema
from cenote.server.openapi import reply_schema
from cenote.server.state import ServerState, state_of

__all__ = ["infinity_router"]

#: A client that is given the second as its address gets Infinity's form of `/rerank`, too (see `rerank.py`).
_PREFIXES = ("", "/infinity")

#: What Infinity calls the abilities of a model, by our tasks.
_CAPABILITIES = {"embed": "embed", "classify": "classify", "score": "rerank"}


class ModelStats(TypedDict):
    """What waits for a model."""

    queue_fraction: float
    queue_absolute: int
    results_pending: int
    batch_size: int


class ModelInfo(TypedDict):
    """One model; the entries of `/v1/models` have further members."""

    id: str
    object: str
    created: int
    owned_by: str
    backend: str
    capabilities: list[str]
    stats: ModelStats


class ModelList(TypedDict):
    """Body of `/models`."""

    object: str
    data: list[ModelInfo]


def infinity_router(state: ServerState) -> APIRouter:
    """Return the routes of this dialect that the served models can answer."""
    router = APIRouter(tags=["infinity"])

    async def list_models(request: Request) -> Response:
        cards = [card | _details(model) for model, card in model_cards(state_of(request).models)]
        return Response(orjson.dumps({"object": "list", "data": cards}), media_type="application/json")

    async def create_embeddings(request: Request) -> Response:
        return await answer_embeddings(request, await read_json(request))

    for prefix in _PREFIXES:
        summary = "List the served models and their queues"
        router.get(f"{prefix}/models", summary=summary, openapi_extra=reply_schema(ModelList))(list_models)
        if any(map(can_embed, state.models)):
            summary = "Embed, as /v1/embeddings does"
            router.post(f"{prefix}/embeddings", summary=summary, openapi_extra=embedding_schema())(create_embeddings)
    return router


def _details(model: ServedModel) -> dict[str, Any]:
    engine = model.engine
    stats, most = engine.stats(), engine.config.max_num_queued_reqs
    return {
        "backend": "torch",
        "capabilities": [name for task, name in _CAPABILITIES.items() if task in engine.supported_tasks],
        "stats": {
            "queue_fraction": stats.waiting / most if most else 0.0,
            "queue_absolute": stats.waiting,
            "results_pending": stats.running,
            "batch_size": engine.config.max_num_seqs,
        },
    }
