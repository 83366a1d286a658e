"""`/plugins`: what is installed on the server, and whether it works."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.responses import Response

from cenote.registry import PluginRow, list_plugins

__all__ = ["plugins_router"]


def plugins_router() -> APIRouter:
    """Return the route that lists plugins."""
    router = APIRouter(tags=["plugins"])

    @router.get("/plugins", summary="List installed plugins and their state")
    async def plugins() -> Response:
        rows = await asyncio.to_thread(list_plugins)  # imports specs on the first call
        content = {"object": "list", "data": [_row(row) for row in rows]}
        return Response(orjson.dumps(content), media_type="application/json")

    return router


def _row(row: PluginRow) -> dict[str, Any]:
    """Leave out `detail`: the cause of a failed import may name paths of the server."""
    return {
        "name": row.name,
        "kind": row.kind,
        "distribution": row.distribution,
        "version": row.version,
        "tasks": row.tasks,
        "state": row.state,
    }
