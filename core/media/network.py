"""Connections to checked addresses only, with one limit in time for all that is done over them."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Any, TypeAlias

import httpcore

__all__ = ["Deadline", "PinnedBackend", "Resolver", "resolve_within", "system_addresses"]

#: From host and port to IP addresses; raises OSError where there are none.
Resolver: TypeAlias = Callable[[str, int], Sequence[str]]


class Deadline:
    """A point in time.

    Args:
        seconds: how far away it is.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def seconds(self) -> float:
        """Return how far away it is still; less than 0 where it is over."""
        return self._end - time.monotonic()

    def left(self) -> float:
        """Return the seconds until then.

        Raises:
            TimeoutError: none are left.
        """
        left = self.seconds
        if left <= 0:
            raise TimeoutError
        return left


def system_addresses(host: str, port: int) -> list[str]:
    """Ask the system for the addresses of a host."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(item[4][0]) for item in found))


def resolve_within(resolve: Resolver, host: str, port: int, deadline: Deadline) -> Sequence[str]:
    """Call a resolver in a thread that is left behind when time is up: getaddrinfo has no limit of its own.

    Raises:
        TimeoutError: it takes too long.
        OSError: there is no such host.
    """
    answer: Future[Sequence[str]] = Future()

    def ask() -> None:
        try:
            answer.set_result(resolve(host, port))
        except Exception as exc:
            answer.set_exception(exc)

    threading.Thread(target=ask, name="cenote-resolve", daemon=True).start()
    return answer.result(deadline.left())


class PinnedBackend(httpcore.NetworkBackend):
    """Connects to given addresses, whatever host is asked for. httpcore still names the host in SNI and `Host`.

    Args:
        addresses: checked IP addresses, tried in this order.
        deadline: when everything must be done.
    """

    def __init__(self, addresses: Sequence[str], deadline: Deadline) -> None:
        self._addresses = addresses
        self._deadline = deadline
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address that answers."""
        failure: Exception = ConnectionError("no address")
        for address in self._addresses:
            try:
                stream = self._sockets.connect_tcp(address, port, self._deadline.left(), None, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                failure = exc
            else:
                return _TimedStream(stream, self._deadline)
        raise failure


class _TimedStream(httpcore.NetworkStream):
    """A stream whose operations all together have until a deadline; httpcore's own limits are for each one."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        encrypted = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left())
        return _TimedStream(encrypted, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
