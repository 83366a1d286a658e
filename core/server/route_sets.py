"""Sets of routes that plugins offer: found by name, made once, and refused where they would not fit.

An operator names them (`--routes`); what is only installed is never loaded. The routes of cenote that an operator turns
on, `tokenizer-info` and `lora-admin`, come through the same door.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from fastapi import APIRouter
from fastapi.routing import APIRoute

from cenote.config.server import ServerConfig
from cenote.errors import PluginError, UnknownPlugin
from cenote.registry import Entry, Registry, default_registry, plugin_settings
from cenote.server.route_checks import router_problem
from cenote.server.route_context import RouteContext
from cenote.server.state import ServerState

__all__ = ["RouteFactory", "RouteSet", "check_factory", "check_route_sets", "make_route_sets"]

_GROUP = "cenote.routes"


class RouteFactory(Protocol):
    """Makes a set of routes: called once, when a server is built that was told the name of the set.

    The routes must be path operations of one `fastapi.APIRouter`. They have what every route of the server has: the key
    is asked for before a byte of the body is read, they are refused while the server drains, and counted in the
    metrics. With `--guarded-routes vllm` only paths below `/v1/` and `/v2/` need a key, so that those of a plugin
    elsewhere are open; `cenote serve` warns of that. Errors of `cenote.errors` that the routes raise become the
    statuses that these have everywhere; what else they raise is a 500 that tells nothing of its cause.
    """

    def __call__(self, context: RouteContext, /) -> APIRouter:
        """Return the routes.

        Args:
            context: what the server offers to them.
        """


@dataclass(frozen=True, slots=True)
class RouteSet:
    """Routes of one plugin, checked.

    Attributes:
        name: of the set.
        source: distribution and version that offer it.
        routes: path operations.
    """

    name: str
    source: str
    routes: tuple[APIRoute, ...]

    def __str__(self) -> str:
        return f"The routes {self.name!r} of {self.source}"


def check_factory(value: object) -> None:
    """Complain about what cannot be a factory of routes; nothing is called.

    Raises:
        TypeError: as said.
    """
    if isinstance(value, APIRouter):
        raise TypeError("it is a router; name a function that takes the context and returns one")
    if not callable(value) or inspect.isclass(value):
        raise TypeError(f"it is no function but {value!r:.80}; name one that takes the context and returns a router")
    if inspect.iscoroutinefunction(value):
        raise TypeError("it is a coroutine function; routes are made before an event loop runs")
    try:
        inspect.signature(value).bind(None)
    except TypeError as exc:
        raise TypeError("it must take one argument, the context") from exc


def check_route_sets(config: ServerConfig, registry: Registry | None = None) -> None:
    """Import the sets that an operator named, so that what is missing or broken is told before models are loaded.

    Raises:
        PluginError: a name is unknown, disabled, incompatible or claimed twice, or its plugin cannot be imported.
    """
    for name in config.route_sets:
        _load(name, registry or default_registry())


def make_route_sets(state: ServerState, registry: Registry | None = None) -> tuple[RouteSet, ...]:
    """Make the sets that an operator named, in that order.

    Args:
        state: of the server that they are for.
        registry: where to look; None is the registry of this process.

    Raises:
        PluginError: as `check_route_sets`, or a factory raises, or returns no router that fits.
    """
    registry = registry or default_registry()
    return tuple(_make(name, state, registry) for name in state.config.route_sets)


def _load(name: str, registry: Registry) -> tuple[Entry, Any]:
    try:
        factory = registry.get(_GROUP, name)
    except UnknownPlugin as exc:
        text = (
            f"--routes {name}: {exc} Install the distribution that offers these routes, or leave the name out; "
            "'cenote plugins' lists what is installed."
        )
        raise UnknownPlugin(text, plugin=name, distribution=exc.distribution) from exc
    [entry] = registry.entries(_GROUP)[name]
    return entry, factory


def _make(name: str, state: ServerState, registry: Registry) -> RouteSet:
    entry, factory = _load(name, registry)
    context = RouteContext(
        name=name,
        settings=plugin_settings(f"routes/{name}", registry),
        log=logging.getLogger(f"cenote.routes.{name}"),
        _table=state.models,
    )
    try:
        router = factory(context)
    except (Exception, SystemExit) as exc:
        raise _refusal(entry, f"failed to start: {type(exc).__name__}: {exc}") from exc
    if problem := router_problem(router):
        raise _refusal(entry, problem)
    return RouteSet(name, entry.source, _routes(router))


def _routes(router: APIRouter) -> tuple[APIRoute, ...]:
    """Return the routes of a checked router; what is added to it later never answers."""
    routes: Sequence[Any] = router.routes
    return tuple(routes)


def _refusal(entry: Entry, problem: str) -> PluginError:
    text = f"The routes {entry.name!r} of {entry.source} {problem.rstrip('.')}."
    return PluginError(text, plugin=entry.name, distribution=entry.distribution)
