"""Bounds on what a request may send: headers (431) and body (413)."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cenote.config.server import ServerConfig
from cenote.server.errors import ApiError, error_response

__all__ = ["LimitBody", "LimitHeaders"]

#: How long, and for how many times the limit, a too long body is still read, so that clients which send it
#: whole before they listen get the answer instead of a broken connection.
_DISCARD_SECONDS = 5.0
_DISCARD_FACTOR = 4


class LimitHeaders:
    """Refuse requests with too many or too long headers."""

    def __init__(self, app: ASGIApp, config: ServerConfig) -> None:
        self._app = app
        self._config = config

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        message = self._problem(scope) if scope["type"] == "http" else None
        if message is None:
            await self._app(scope, receive, send)
            return
        error = ApiError(431, "Request Header Fields Too Large", message, headers={"Connection": "close"})
        await error_response(error, self._config)(scope, receive, send)

    def _problem(self, scope: Scope) -> str | None:
        headers = scope["headers"]
        if len(headers) > (most := self._config.h11_max_header_count):
            return f"The request has {len(headers)} headers; at most {most} are allowed."
        size = sum(len(name) + len(value) + 4 for name, value in headers)  # four for ": " and the line end
        if size > (most := self._config.h11_max_incomplete_event_size):
            return f"The request's headers have {size} bytes; at most {most} are allowed."
        return None


class LimitBody:
    """Refuse bodies longer than the limit, by their declared length or, without one, as they stream in."""

    def __init__(self, app: ASGIApp, config: ServerConfig) -> None:
        self._app = app
        self._limit = config.max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; the error is raised where the route reads its body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        too_long = declared.isdigit() and int(declared[:20]) > self._limit
        seen = 0

        async def count() -> Message:
            nonlocal seen
            if too_long and seen == 0:
                await self._refuse(receive, f"{declared[:20]} bytes")
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:
                await self._refuse(receive, f"more than {seen - 1} bytes", message)
            return message

        await self._app(scope, count, send)

    async def _refuse(self, receive: Receive, size: str, last: Message | None = None) -> None:
        await _discard(receive, self._limit * _DISCARD_FACTOR, last)
        text = f"The request body has {size}; at most {self._limit} are allowed."
        raise ApiError(413, "Payload Too Large", text, headers={"Connection": "close"})


async def _discard(receive: Receive, most: int, last: Message | None) -> None:
    """Read on without keeping anything, until the body's end, `most` bytes or a few seconds."""
    try:
        async with asyncio.timeout(_DISCARD_SECONDS):
            while most > 0 and (last is None or last.get("more_body", False)):
                last = await receive()
                most -= len(last.get("body", b""))
    except TimeoutError:
        return
