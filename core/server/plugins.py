"""`/v1/plugins`: what is installed on the server, and whether it works."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal, NotRequired

import orjson
from fastapi import APIRouter
from starlette.responses import Response
from typing_extensions import TypedDict

from cenote.registry import API_VERSION, USABLE, PluginRow, State, fingerprint, list_plugins
from cenote.server.openapi import reply_schema

__all__ = ["plugins_router"]


class PluginEntry(TypedDict):
    """One plugin; `reason` says why one does not take part."""

    name: str
    kind: str
    distribution: str
    version: str
    tasks: Sequence[str]
    state: State
    reason: NotRequired[str]


class PluginList(TypedDict):
    """Body of `/v1/plugins`. Processes with one fingerprint have the same plugins taking part."""

    object: Literal["list"]
    fingerprint: str
    api_version: int
    data: list[PluginEntry]


def plugins_router() -> APIRouter:
    """Return the routes that list plugins."""
    router = APIRouter(tags=["plugins"])

    async def plugins() -> Response:
        content = await asyncio.to_thread(_content)  # imports specs on the first call
        return Response(orjson.dumps(content), media_type="application/json")

    for path in ("/v1/plugins", "/plugins"):
        summary = "List installed plugins and their state"
        router.get(path, summary=summary, openapi_extra=reply_schema(PluginList))(plugins)
    return router


def _content() -> PluginList:
    rows = list_plugins()
    return {
        "object": "list",
        "fingerprint": fingerprint(),
        "api_version": API_VERSION,
        "data": [_row(row) for row in rows],
    }


def _row(row: PluginRow) -> PluginEntry:
    """Leave out `detail`: the cause of a failed import may name paths of the server."""
    entry = PluginEntry(
        name=row.name,
        kind=row.kind,
        distribution=row.distribution,
        version=row.version,
        tasks=row.tasks,
        state=row.state,
    )
    if row.state not in USABLE:
        entry["reason"] = row.reason
    return entry
