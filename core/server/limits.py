"""Bounds on what a request may send: request line (414), headers (431) and body (413)."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cenote.config.server import ServerConfig
from cenote.server.api_error import ApiError
from cenote.server.envelopes import ErrorWriter

__all__ = ["LimitBody", "LimitHead"]


class LimitHead:
    """Refuse requests whose request line and headers are too long, too many or contradict each other."""

    def __init__(self, app: ASGIApp, config: ServerConfig, errors: ErrorWriter) -> None:
        self._app = app
        self._config = config
        self._errors = errors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        error = self._problem(scope) if scope["type"] == "http" else None
        if error is None:
            await self._app(scope, receive, send)
            return
        await self._errors.response(error, scope)(scope, receive, send)

    def _problem(self, scope: Scope) -> ApiError | None:
        # h11 bounds what is incomplete; a head that arrives in one piece passes it at any length.
        headers, most = scope["headers"], self._config.h11_max_incomplete_event_size
        line = (
            len(scope["method"])
            + len(scope.get("raw_path") or scope["path"])
            + len(scope["query_string"])
            + len(" ? HTTP/1.1\r\n")
        )
        if line > most:
            return ApiError(414, "URI Too Long", f"The request line has {line} bytes; at most {most} are allowed.")
        if len(headers) > (count := self._config.h11_max_header_count):
            return _too_large(f"The request has {len(headers)} headers; at most {count} are allowed.")
        size = line + sum(len(name) + len(value) + len(": \r\n") for name, value in headers)
        if size > most:
            return _too_large(f"Request line and headers have {size} bytes; at most {most} are allowed.")
        if {b"content-length", b"transfer-encoding"} <= {name for name, _ in headers}:
            # Proxies disagree on which of the two counts, and take the rest of the body for another request.
            text = "The request has both Content-Length and Transfer-Encoding; send one of them."
            return ApiError(400, "Bad Request", text, headers={"Connection": "close"})
        return None


def _too_large(text: str) -> ApiError:
    return ApiError(431, "Request Header Fields Too Large", text)


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
