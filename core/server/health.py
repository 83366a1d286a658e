"""Small routes that watchers call: `/health`, `/ping`, `/version`, `/load`."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

import cenote
from cenote.server.state import state_of

__all__ = ["health_router"]


def health_router() -> APIRouter:
    """Return the routes for watchers."""
    router = APIRouter(tags=["health"])

    @router.get("/health", summary="200 while ready, 503 while draining or broken")
    @router.head("/health", include_in_schema=False)
    @router.get("/ping", summary="The same as /health")
    @router.head("/ping", include_in_schema=False)
    @router.post("/ping", summary="The same as /health")
    async def health(request: Request) -> Response:
        return Response(status_code=200 if state_of(request).is_ready else 503)

    @router.get("/version", summary="Version of cenote")
    async def version() -> Response:
        return JSONResponse({"version": cenote.__version__})

    @router.get("/load", summary="Inference requests that are being answered")
    async def load(request: Request) -> Response:
        return JSONResponse({"server_load": state_of(request).in_flight})

    return router
