"""Count the requests in flight, and let no new one in while the server drains."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from cenote.server.api_error import ApiError
from cenote.server.envelopes import ErrorWriter
from cenote.server.paths import LIGHT_PATHS, route_path
from cenote.server.state import ServerState

__all__ = ["Gate"]


class Gate:
    """Pass inference requests one by one; 503 while draining."""

    def __init__(self, app: ASGIApp, state: ServerState, errors: ErrorWriter) -> None:
        self._app = app
        self._state = state
        self._errors = errors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or route_path(scope) in LIGHT_PATHS:
            await self._app(scope, receive, send)
            return
        if self._state.draining:
            error = ApiError(
                503,
                "ServiceUnavailableError",
                "The server is shutting down and takes no new requests.",
                headers={"Retry-After": "1", "Connection": "close"},
            )
            await self._errors.response(error, scope)(scope, receive, send)
            return
        self._state.in_flight += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._state.in_flight -= 1
