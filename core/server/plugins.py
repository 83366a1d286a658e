"""`/plugins`: what is installed on the server, and whether it works."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal

import orjson
from fastapi import APIRouter
from starlette.responses import Response
from typing_extensions import TypedDict

from cenote.registry import PluginRow, list_plugins
from cenote.server.openapi import reply_schema

__all__ = ["plugins_router"]


class PluginEntry(TypedDict):
    """One plugin."""

    name: str
    kind: str
    distribution: str
    version: str
    tasks: Sequence[str]
    state: str


class PluginList(TypedDict):
    """Body of `/plugins`."""

    object: Literal["list"]
    data: list[PluginEntry]


def plugins_router() -> APIRouter:
    """Return the route that lists plugins."""
    router = APIRouter(tags=["plugins"])

    @router.get("/plugins", summary="List installed plugins and their state", openapi_extra=reply_schema(PluginList))
    async def plugins() -> Response:
        rows = await asyncio.to_thread(list_plugins)  # imports specs on the first call
        content: PluginList = {"object": "list", "data": [_row(row) for row in rows]}
        return Response(orjson.dumps(content), media_type="application/json")

    return router


def _row(row: PluginRow) -> PluginEntry:
    """Leave out `detail`: the cause of a failed import may name paths of the server."""
    return {
        "name": row.name,
        "kind": row.kind,
        "distribution": row.distribution,
        "version": row.version,
        "tasks": row.tasks,
        "state": row.state,
    }
