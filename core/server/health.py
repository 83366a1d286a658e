"""Small routes that watchers call: `/health`, `/ready`, `/ping`, `/version`, `/load`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

import cenote
from cenote.server.auth import open_to_all
from cenote.server.openapi import reply_schema
from cenote.server.state import state_of

__all__ = ["health_router"]


class Version(TypedDict):
    """Body of `/version`."""

    version: str


class Load(TypedDict):
    """Body of `/load`."""

    server_load: int


_EMPTY: dict[str, Any] = {
    "security": [],
    "responses": {"200": {"description": "Yes; no body"}, "503": {"description": "No; no body"}},
}


def health_router() -> APIRouter:
    """Return the routes for watchers."""
    router = APIRouter(tags=["health"])

    @router.get("/health", summary="200 unless an engine is broken: is a restart needed?", openapi_extra=_EMPTY)
    @router.head("/health", include_in_schema=False)
    @router.get("/ping", summary="The same as /health", openapi_extra=_EMPTY)
    @router.head("/ping", include_in_schema=False)
    @router.post("/ping", summary="The same as /health", openapi_extra=_EMPTY)
    @open_to_all
    async def health(request: Request) -> Response:
        return Response(status_code=200 if state_of(request).is_alive else 503)

    @router.get("/ready", summary="200 while new requests are taken: should traffic come here?", openapi_extra=_EMPTY)
    @router.head("/ready", include_in_schema=False)
    @open_to_all
    async def ready(request: Request) -> Response:
        return Response(status_code=200 if state_of(request).is_ready else 503)

    @router.get("/version", summary="Version of cenote", openapi_extra=reply_schema(Version, is_open=True))
    @open_to_all
    async def version() -> Response:
        return JSONResponse({"version": cenote.__version__})

    @router.get("/load", summary="Inference requests that are being answered", openapi_extra=reply_schema(Load))
    async def load(request: Request) -> Response:
        return JSONResponse({"server_load": state_of(request).in_flight})

    return router
