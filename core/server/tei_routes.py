"""Every route that only text-embeddings-inference's (TEI) dialect has."""

from __future__ import annotations

from fastapi import APIRouter

from cenote.server.state import ServerState
from cenote.server.tei import tei_embed_router
from cenote.server.tei_info import tei_info_router
from cenote.server.tei_predict import tei_predict_router
from cenote.server.tei_similarity import tei_similarity_router
from cenote.server.tei_tokenize import tei_decode_router

__all__ = ["tei_router"]

_PARTS = (tei_embed_router, tei_predict_router, tei_similarity_router, tei_decode_router, tei_info_router)


def tei_router(state: ServerState) -> APIRouter:
    """Return the routes of this dialect; its forms of `/rerank` and `/tokenize` are part of those routes."""
    return APIRouter(routes=[route for part in _PARTS for route in part(state).routes])
