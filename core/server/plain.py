"""Requests that come whole and have nothing unusual, read and answered without h11.

Its state machine takes a sixth of the time of a short request. What is read here is less than what h11 takes, and means
the same; everything else is left to it: a body in several pieces, a second request behind the first,
`Transfer-Encoding`, `Expect`, `Upgrade`, HTTP/1.0, and whatever is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.types import Message
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, RequestResponseCycle
from uvicorn.protocols.utils import get_client_addr, get_path_with_query_string

__all__ = ["PlainCycle", "PlainRequest", "read_plain"]

_LINE = re.compile(rb"(GET|POST) (/[!-~]*) HTTP/1\.1")
_NAME = re.compile(rb"[-!#$%&'*+.^_`|~0-9a-zA-Z]+")
#: A value without what surrounds it; tabs and the bytes of old encodings are h11's.
_VALUE = re.compile(rb"[ -~]*")
_DIGITS = re.compile(rb"[0-9]{1,10}")
#: Headers that mean something to the protocol, beside those that are looked at here.
_UNUSUAL = frozenset({b"transfer-encoding", b"expect", b"upgrade", b"trailer", b"te"})
#: Headers of an answer that decide where it ends, or the connection.
_DECIDING = frozenset({b"connection", b"transfer-encoding"})
#: Statuses whose answers have no body, and the first one that is not followed by another.
_EMPTY, _FIRST = frozenset({204, 304}), 200


@dataclass(frozen=True, slots=True)
class PlainRequest:
    """A request.

    Attributes:
        method: `GET` or `POST`.
        target: path and query.
        headers: names in lower case, and values, in their order.
        body: all of it.
    """

    method: str
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes


def read_plain(data: bytes, most: int) -> PlainRequest | None:
    """Read what arrived in one piece, or return None where that is not one whole and usual request.

    Args:
        data: what arrived, while nothing else waits to be read.
        most: bytes of request line and headers.
    """
    end = data.find(b"\r\n\r\n", 0, most)
    if end < 0:
        return None
    first, *lines = data[:end].split(b"\r\n")
    line, headers = _LINE.fullmatch(first), _headers(lines)
    if line is None or headers is None or len(data) - end - 4 != _length(headers):
        return None
    return PlainRequest(line[1].decode("ascii"), line[2], headers, data[end + 4 :])


def _headers(lines: list[bytes]) -> list[tuple[bytes, bytes]] | None:
    headers = []
    for line in lines:
        name, colon, value = line.partition(b":")
        value = value.strip(b" \t")
        if not colon or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            return None
        headers.append((name.lower(), value))
    return headers


def _length(headers: list[tuple[bytes, bytes]]) -> int:
    """Return how many bytes of body the headers promise, or -1 where h11 has to look at them."""
    hosts, length = 0, None
    for name, value in headers:
        if name == b"host":
            hosts += 1
        elif name == b"content-length":
            if length is not None or not _DIGITS.fullmatch(value):
                return -1
            length = int(value)
        elif name in _UNUSUAL or (name == b"connection" and value.lower() != b"keep-alive"):
            return -1
    return (length or 0) if hosts == 1 else -1


class PlainCycle(RequestResponseCycle):
    """Answers a plain request. An answer that is none of a known length is given by h11, which reads the request again.

    Attributes:
        to_h11: lets h11 read the request.
        is_plain: it has not done so.
    """

    to_h11: Callable[[], None]
    is_plain = True
    _left = 0

    async def run_asgi(self, app: Any) -> None:
        """Run the app, then let go of the protocol and of the request's bytes, which a kept connection would hold."""
        try:
            await super().run_asgi(app)
        finally:
            del self.to_h11

    async def send(self, message: Any) -> None:
        """Send a part of the answer, as ASGI has it; the head leaves together with the first part of the body."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if self.is_plain and not self.response_started:
            head = self._head_of(message)
            if head is not None:
                self._begin(message, head)
                return
            self.is_plain = False
            self.to_h11()
        if self.is_plain:
            self._go_on(message)
        else:
            await super().send(message)

    def _head_of(self, message: Message) -> bytes | None:
        """Return the head of an answer, or None where h11 has to make it."""
        if message["type"] != "http.response.start" or not self.keep_alive:
            return None
        status, length = message["status"], b""
        lines = [b"HTTP/1.1 %d %b\r\n" % (status, STATUS_PHRASES.get(status, b""))]
        for name, value in (*self.default_headers, *message.get("headers", ())):
            if not type(name) is type(value) is bytes:
                return None
            known = name.lower()
            if known in _DECIDING or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value) or value != value.strip():
                return None
            if known == b"content-length":
                if length or not _DIGITS.fullmatch(value):
                    return None
                length = value
            lines.append(b"%b: %b\r\n" % (name, value))
        if not length or status < _FIRST or status in _EMPTY:
            return None
        self._left = int(length)
        return b"".join((*lines, b"\r\n"))

    def _begin(self, message: Message, head: bytes) -> None:
        self.response_started = True
        scope = self.scope
        if self.access_log:
            line = (get_client_addr(scope), scope["method"], get_path_with_query_string(scope), scope["http_version"])
            self.access_logger.info('%s - "%s %s HTTP/%s" %d', *line, message["status"])
        self.transport.write(head)

    def _go_on(self, message: Message) -> None:
        if self.response_complete or message["type"] != "http.response.body":
            raise RuntimeError(f"Unexpected ASGI message {message['type']!r} in the answer.")
        body, more = message.get("body", b""), message.get("more_body", False)
        self._left -= len(body)
        if self._left < 0 or (self._left and not more):
            raise RuntimeError("The answer has another length than its headers say.")
        self.transport.write(body)
        if more:
            return
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
