"""Run the app: sockets first, then the loop, then an orderly end."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

import cenote
from cenote.config.server import ServerConfig
from cenote.hooks import ServerStarted, ServerStopping
from cenote.registry import check_required
from cenote.server.banner import server_url
from cenote.server.log import log_config
from cenote.server.middleware import extra_middleware
from cenote.server.protocol import make_protocol
from cenote.server.route_sets import check_route_sets
from cenote.server.sockets import address_refused
from cenote.server.state import ServerState
from cenote.server.tls import ServerTls, tls_of
from cenote.server.tracing import check_tracing

__all__ = ["Server", "check_options", "run_server"]

_log = logging.getLogger(__name__)
#: Seconds for the last answers to leave, once no request may run on.
_FLUSH_SECONDS = 2
#: Seconds for plugins to hear of the end.
_HOOK_SECONDS = 2.0
_TICKS_PER_SECOND = 10


def check_options(config: ServerConfig) -> None:
    """Complain about files, middleware, plugins and packages that options need, before anything slow is done.

    Raises:
        InvalidRequest: as `tls_of`, `extra_middleware` and `check_tracing` do.
        PluginError: as `check_required` and `check_route_sets` do.
        MissingDependency: traces are asked for, and the extra `otel` is not installed.
    """
    tls_of(config)
    extra_middleware(config)
    check_required()
    check_route_sets(config)
    if config.otlp_traces_endpoint is not None:
        check_tracing(config.otlp_traces_endpoint)


class Server(uvicorn.Server):
    """A uvicorn server that drains on the first signal and stops on the second; either way it ends with status 0."""

    def __init__(self, app: FastAPI, config: ServerConfig, *, on_ready: Callable[[], None] | None = None) -> None:
        self._tls = tls_of(config)
        super().__init__(_uvicorn_config(app, config, self._tls))
        state = app.state.cenote
        assert isinstance(state, ServerState)
        self._state = state
        self._on_ready = on_ready
        self._signals = 0
        self._began = 0.0
        self._deadline = float("inf")

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, then say so."""
        await super().startup(sockets)
        if not self.started:
            return
        self._began = time.monotonic()
        url = server_url(self._state.config, sockets or [])
        self._state.hooks.tell(
            "cenote_server_started", ServerStarted(url=url, models=self._served(), version=cenote.__version__)
        )
        if self._on_ready is not None:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End all connections, then say so, and give plugins a moment to hear it."""
        await super().shutdown(sockets)
        event = ServerStopping(models=self._served(), seconds=time.monotonic() - self._began)
        await asyncio.to_thread(self._tell_stopping, event)

    def _tell_stopping(self, event: ServerStopping) -> None:
        self._state.hooks.tell("cenote_server_stopping", event)
        self._state.hooks.flush(_HOOK_SECONDS)

    def _served(self) -> tuple[str, ...]:
        return tuple(name for model in self._state.models for name in model.aliases)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note a signal; `on_tick` acts on it. Unlike the base class, it is not raised again at the end."""
        self._signals += 1

    def request_stop(self) -> None:
        """Drain and stop, as the first signal does."""
        self.handle_exit(signal.SIGTERM, None)

    async def on_tick(self, counter: int) -> bool:
        """Every 0.1 s: drain after the first signal, and stop once nothing is in flight or patience is over."""
        if self._tls is not None and self._state.config.enable_ssl_refresh and counter % _TICKS_PER_SECOND == 0:
            self._tls.refresh()
        if self._signals and not self._state.draining:
            self._state.draining = True
            self._deadline = time.monotonic() + self._state.config.shutdown_grace
            _log.info("Draining: %d requests in flight", self._state.in_flight)
        if self._signals > 1 or (self._state.draining and time.monotonic() >= self._deadline):
            self._state.abort.set()
            self.should_exit = True
        elif self._state.draining and self._state.in_flight == 0:
            self.should_exit = True
        return await super().on_tick(counter)


def run_server(
    app: FastAPI,
    config: ServerConfig,
    sockets: Sequence[socket.socket],
    *,
    on_ready: Callable[[], None] | None = None,
) -> None:
    """Serve until a signal, then shut the engines down. The process is the server's own.

    Args:
        app: made by `build_app`.
        config: the same options.
        sockets: from `bind_sockets`.
        on_ready: called once connections are accepted.
    """

    def ready() -> None:
        # What libraries and models made while they were loaded stays: looking through all of it again and again, the
        # garbage collector would stop every thread for a quarter of a second now and then.
        gc.freeze()
        if on_ready is not None:
            on_ready()

    try:
        asyncio.run(_serve(Server(app, config, on_ready=ready), app.state.cenote, list(sockets)))
    finally:
        if config.uds is not None:
            Path(config.uds).unlink(missing_ok=True)


async def _serve(server: Server, state: ServerState, sockets: list[socket.socket]) -> None:
    try:
        await server.serve(sockets=sockets)
    except OSError as exc:  # another process began to listen between bind and here
        raise address_refused("the address", exc, "--port") from exc
    finally:
        for model in state.models:
            await model.engine.shutdown()


def _uvicorn_config(app: FastAPI, config: ServerConfig, tls: ServerTls | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="asyncio",
        http=make_protocol(config),
        ws="none",
        lifespan="off",
        log_config=log_config(config),
        access_log=not config.disable_uvicorn_access_log,
        server_header=False,
        timeout_keep_alive=config.timeout_keep_alive,
        timeout_graceful_shutdown=_FLUSH_SECONDS,
        h11_max_incomplete_event_size=config.h11_max_incomplete_event_size,
        ssl_context_factory=None if tls is None else lambda *_: tls,
    )
