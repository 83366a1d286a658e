"""What a router of a plugin must not have, and whether its paths are free."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Match

from cenote.errors import PluginError
from cenote.server.auth import is_open
from cenote.server.paths import LIGHT_PATHS

if TYPE_CHECKING:
    from cenote.server.route_sets import RouteSet

__all__ = ["add_route_sets", "router_problem"]

_PARAMETER = re.compile(r"\{[^}]*\}")
#: What a router has in the place of a lifespan, where its author gave none.
_NO_LIFESPAN = type(APIRouter().lifespan_context)


def router_problem(router: object) -> str | None:
    """Say what is wrong with what a factory returned, or return None where nothing is."""
    if not isinstance(router, APIRouter):
        return f"gave {type(router).__name__}; a factory of cenote.routes returns a fastapi.APIRouter"
    if router.on_startup or router.on_shutdown or type(router.lifespan_context) is not _NO_LIFESPAN:
        return (
            "have a lifespan or handlers of start and stop, which cenote does not call; use the hooks "
            "cenote_server_started and cenote_server_stopping"
        )
    for route in router.routes:
        if not isinstance(route, APIRoute):
            return (
                f"have a {type(route).__name__.strip('_')}, and the server takes path operations alone (router.get, "
                "router.post, ...), all on one router: nothing else has its key, limits and errors"
            )
        if is_open(route.endpoint):
            return f"mark {route.path} as open to all, which no plugin may"
    return None if router.routes else "are none: the router is empty"


def add_route_sets(app: FastAPI, sets: Iterable[RouteSet]) -> None:
    """Add sets of routes to an app that has all its own.

    Raises:
        PluginError: a path and method of a set belongs to the app, or to another set.
    """
    done: list[RouteSet] = []
    for each in sets:
        for route in each.routes:
            for method in sorted(route.methods or ()):
                _check_free(app, each, route, method, done)
        done.append(each)
    for each in done:
        app.include_router(APIRouter(routes=list(each.routes)))


def _check_free(app: FastAPI, owner: RouteSet, route: APIRoute, method: str, others: Iterable[RouteSet]) -> None:
    where = f"{method} {route.path}"
    for other in others:
        if any(method in (taken.methods or ()) and _overlap(taken, route) for taken in other.routes):
            text = f"{owner} offer {where}, and so do the routes {other.name!r} of {other.source}. Name one of the two."
            raise PluginError(text, plugin=owner.name)
    if route.path in LIGHT_PATHS or any(_is_taken(app, path, method) for path in _spellings(route)):
        text = f"{owner} offer {where}, which is a route of cenote itself. Leave {owner.name!r} out of --routes."
        raise PluginError(text, plugin=owner.name)


def _overlap(taken: APIRoute, route: APIRoute) -> bool:
    """Tell whether one route has the path of another, whatever its parameters are called, or answers in its place."""
    same = _PARAMETER.sub("{}", taken.path) == _PARAMETER.sub("{}", route.path)
    return same or any(taken.path_regex.match(path) for path in _spellings(route))


def _is_taken(app: FastAPI, path: str, method: str) -> bool:
    scope = {"type": "http", "path": path, "root_path": "", "method": method, "headers": []}
    return any(route.matches(dict(scope))[0] is Match.FULL for route in app.routes)


def _spellings(route: APIRoute) -> Iterator[str]:
    """Yield paths that a route answers: as it is written, and with a number for each parameter."""
    yield route.path_format
    yield _PARAMETER.sub("0123456789", route.path_format)
