"""The routes of which speed is asked, without the framework's machinery around each of their requests."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TypeAlias

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cenote.server.auth import RequireApiKey
from cenote.server.errors import HANDLED, ErrorHandler
from cenote.server.paths import route_path

__all__ = ["DirectRoutes", "direct_routes"]

#: Routes by method and path.
_Table: TypeAlias = Mapping[tuple[str, str], APIRoute]


def direct_routes(routers: Iterable[APIRouter]) -> dict[tuple[str, str], APIRoute]:
    """Return the routes that take the request as it is and have no variable path: the framework adds nothing to them.

    Args:
        routers: in the order in which the app asks them; of two routes of one path the first counts.
    """
    table: dict[tuple[str, str], APIRoute] = {}
    for route in (route for router in routers for route in router.routes):
        if isinstance(route, APIRoute) and _takes_request_alone(route.endpoint) and "{" not in route.path:
            for method in route.methods or ():
                table.setdefault((method, route.path), route)
    return table


def _takes_request_alone(endpoint: Callable[..., object]) -> bool:
    return inspect.iscoroutinefunction(endpoint) and list(inspect.signature(endpoint).parameters) == ["request"]


class DirectRoutes:
    """Innermost middleware: calls the function of such a route itself; every other request goes on to the router.

    Finding a route, solving its dependencies and the framework's own layers take a quarter of the time of a short
    request. What they do for these routes is done here: the key is checked before the body is read, and the errors
    that the app handles are answered by the same handler.
    """

    def __init__(self, app: ASGIApp, table: _Table, guard: RequireApiKey, handle: ErrorHandler) -> None:
        self._app = app
        self._table = table
        self._guard = guard
        self._handle = handle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        route = self._table.get((scope["method"], route_path(scope))) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"], scope["endpoint"], scope["path_params"] = route, route.endpoint, {}
        request = Request(scope, receive, send)
        endpoint: Callable[[Request], Awaitable[Response]] = route.endpoint
        try:
            await self._guard(request)
            response = await endpoint(request)
        except HANDLED as exc:
            response = await self._handle(request, exc)
        await response(scope, receive, send)
