"""What the routes of one app share; passed along explicitly, never global."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from fastapi import Request

from cenote.config.server import ServerConfig
from cenote.hooks.caller import HookCaller
from cenote.server.metrics import Metrics
from cenote.server.models import ModelTable
from cenote.server.tracing import Tracer

__all__ = ["ServerState", "state_of"]


@dataclass(slots=True)
class ServerState:
    """State of one server.

    Attributes:
        config: its options.
        models: what it serves.
        metrics: its counters.
        hooks: who hears of what happens here.
        tracer: makes traces of its requests, where that is asked for.
        in_flight: inference requests that are being answered.
        draining: no new inference request is accepted.
        abort: set when the running ones must end as well.
    """

    config: ServerConfig
    models: ModelTable
    metrics: Metrics
    hooks: HookCaller
    tracer: Tracer | None = None
    in_flight: int = 0
    draining: bool = False
    abort: asyncio.Event = field(default_factory=asyncio.Event)
    _aborted: asyncio.Task[bool] | None = None

    @property
    def is_alive(self) -> bool:
        """Return whether every engine can answer; if not, only a restart helps."""
        return all(model.engine.is_healthy for model in self.models)

    @property
    def is_ready(self) -> bool:
        """Return whether new requests are accepted and every engine can answer them."""
        return not self.draining and self.is_alive

    def aborted(self) -> asyncio.Future[bool]:
        """Return a future that is done once `abort` is set: one for all requests, which must not cancel it."""
        if self._aborted is None:
            self._aborted = asyncio.ensure_future(self.abort.wait())
        return self._aborted


def state_of(request: Request) -> ServerState:
    """Return the state of the app that handles this request."""
    state = request.app.state.cenote
    assert isinstance(state, ServerState)
    return state
