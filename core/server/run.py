"""Run the app: sockets first, then the loop, then an orderly end."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket
import stat
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from cenote.config.server import ServerConfig
from cenote.errors import CenoteError
from cenote.server.log import log_config
from cenote.server.protocol import make_protocol
from cenote.server.state import ServerState

__all__ = ["AddressInUse", "Server", "bind_sockets", "run_server"]

_log = logging.getLogger(__name__)
#: Seconds for the last answers to leave, once no request may run on.
_FLUSH_SECONDS = 2


class AddressInUse(CenoteError, OSError):
    """The address to listen on is taken or not ours."""


class Server(uvicorn.Server):
    """A uvicorn server that drains on the first signal and stops on the second; either way it ends with status 0."""

    def __init__(self, app: FastAPI, config: ServerConfig, *, on_ready: Callable[[], None] | None = None) -> None:
        super().__init__(_uvicorn_config(app, config))
        state = app.state.cenote
        assert isinstance(state, ServerState)
        self._state = state
        self._on_ready = on_ready
        self._signals = 0
        self._deadline = float("inf")

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, then say so."""
        await super().startup(sockets)
        if self.started and self._on_ready is not None:
            self._on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note a signal; `on_tick` acts on it. Unlike the base class, it is not raised again at the end."""
        self._signals += 1

    def request_stop(self) -> None:
        """Drain and stop, as the first signal does."""
        self.handle_exit(signal.SIGTERM, None)

    async def on_tick(self, counter: int) -> bool:
        """Every 0.1 s: drain after the first signal, and stop once nothing is in flight or patience is over."""
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
    """Serve until a signal, then shut the engines down.

    Args:
        app: made by `build_app`.
        config: the same options.
        sockets: from `bind_sockets`.
        on_ready: called once connections are accepted.
    """
    try:
        asyncio.run(_serve(Server(app, config, on_ready=on_ready), app.state.cenote, list(sockets)))
    finally:
        if config.uds is not None:
            Path(config.uds).unlink(missing_ok=True)


async def _serve(server: Server, state: ServerState, sockets: list[socket.socket]) -> None:
    try:
        await server.serve(sockets=sockets)
    except OSError as exc:  # another process began to listen between bind and here
        raise _refused("the address", exc, "--port") from exc
    finally:
        for model in state.models:
            await model.engine.shutdown()


def bind_sockets(config: ServerConfig) -> list[socket.socket]:
    """Claim the address before anything slow is done.

    Raises:
        AddressInUse: somebody listens there, or the address is not this machine's.
    """
    if config.uds is not None:
        return [_bind_unix(config.uds)]
    if config.host is not None:
        family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
        return [_bind(family, config.host, config.port)]
    first = _bind(socket.AF_INET, "0.0.0.0", config.port)
    try:
        return [first, _bind(socket.AF_INET6, "::", first.getsockname()[1])]
    except AddressInUse as exc:
        if isinstance(exc.__cause__, OSError) and exc.__cause__.errno == errno.EADDRINUSE:
            first.close()
            raise
        return [first]  # no IPv6 here


def _bind(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    try:
        # asyncio turns Nagle's algorithm off only where it sees the protocol number; with it, answers take 40 ms more.
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError as exc:
        raise _refused(f"{host} port {port}", exc, "--port") from exc
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
    except OSError as exc:
        sock.close()
        raise _refused(f"{host} port {port}", exc, "--port") from exc
    return sock


def _bind_unix(path: str) -> socket.socket:
    is_there = os.path.exists(path)
    if is_there and not stat.S_ISSOCK(os.stat(path).st_mode):
        raise AddressInUse(f"Cannot listen on {path}: it is there and is no socket. Choose another --uds.")
    sock = socket.socket(socket.AF_UNIX)
    try:
        if is_there and not _answers(path):
            Path(path).unlink()
        sock.bind(path)
    except OSError as exc:
        sock.close()
        raise _refused(path, exc, "--uds") from exc
    return sock


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def _refused(where: str, exc: OSError, option: str) -> AddressInUse:
    hint = f" Stop the other server or choose another {option}." if exc.errno == errno.EADDRINUSE else ""
    return AddressInUse(f"Cannot listen on {where}: {(exc.strerror or str(exc)).lower()}.{hint}")


def _uvicorn_config(app: FastAPI, config: ServerConfig) -> uvicorn.Config:
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
    )
