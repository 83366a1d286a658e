"""Bounds on what a request may send: headers (431) and body (413)."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cenote.config.server import ServerConfig
from cenote.server.errors import ApiError, error_response

__all__ = ["LimitBody", "LimitHeaders"]


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
        error = ApiError(431, "Request Header Fields Too Large", message)
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
    """Refuse bodies longer than the limit, by their declared length or, without one, as they stream in.

    The connection stays open and the rest is thrown away, within the protocol's time limit: clients that send all
    before they listen get the answer, not a broken connection.
    """

    def __init__(self, app: ASGIApp, config: ServerConfig) -> None:
        self._app = app
        self._limit = config.max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; the error is raised where the route reads its body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        too_long = declared.isdecimal() and int(declared[:20]) > self._limit
        seen = 0

        async def count() -> Message:
            nonlocal seen
            if too_long:
                raise self._error(declared[:20])
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:
                raise self._error("more")
            return message

        await self._app(scope, count, send)

    def _error(self, size: str) -> ApiError:
        return ApiError(
            413, "Payload Too Large", f"At most {self._limit} bytes of body are allowed; the request has {size}."
        )
