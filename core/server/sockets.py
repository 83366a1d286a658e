"""The address to listen on: claimed before anything slow is done, with errors that name the option to change."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

from cenote.config.server import ServerConfig
from cenote.errors import CenoteError

__all__ = ["AddressInUse", "address_refused", "bind_sockets"]


class AddressInUse(CenoteError, OSError):
    """The address to listen on is taken or not ours."""


def bind_sockets(config: ServerConfig) -> list[socket.socket]:
    """Claim the address before anything slow is done.

    Raises:
        AddressInUse: somebody listens there, or the address is not this machine's.
    """
    if config.uds is not None:
        return [_bind_unix(config.uds, config.uds_mode)]
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
        raise address_refused(f"{host} port {port}", exc, "--port") from exc
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
    except OSError as exc:
        sock.close()
        raise address_refused(f"{host} port {port}", exc, "--port") from exc
    return sock


def _bind_unix(path: str, mode: str | None) -> socket.socket:
    is_there = os.path.exists(path)
    if is_there and not stat.S_ISSOCK(os.stat(path).st_mode):
        raise AddressInUse(f"Cannot listen on {path}: it is there and is no socket. Choose another --uds.")
    sock = socket.socket(socket.AF_UNIX)
    try:
        if is_there and not _answers(path):
            Path(path).unlink()
        sock.bind(path)
        if mode is not None:
            os.chmod(path, int(mode, 8))  # nobody can connect yet: the socket does not listen
    except OSError as exc:
        sock.close()
        raise address_refused(path, exc, "--uds") from exc
    return sock


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def address_refused(where: str, exc: OSError, option: str) -> AddressInUse:
    """Return the error to raise where the system refuses an address."""
    hint = f" Stop the other server or choose another {option}." if exc.errno == errno.EADDRINUSE else ""
    return AddressInUse(f"Cannot listen on {where}: {(exc.strerror or str(exc)).lower()}.{hint}")
