"""Request ids: header over body over random, and always in the answer's `X-Request-Id`."""

from __future__ import annotations

import random

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cenote.server.text import clean_id

__all__ = ["RequestIds", "claim_request_id"]

_HEADER = "X-Request-Id"


class RequestIds:
    """Give every request an id in `scope["state"]`, and every answer the header with it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        given = clean_id(Headers(scope=scope).get(_HEADER))
        state["request_id_given"] = given is not None
        state["request_id"] = given or f"{random.getrandbits(128):032x}"  # unique, not secret

        async def add_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[_HEADER] = state["request_id"]
            await send(message)

        await self._app(scope, receive, add_header)


def claim_request_id(request: Request, from_body: str | None) -> str:
    """Return the id of this request; the body's counts where the client sent no header."""
    if not request.state.request_id_given and (cleaned := clean_id(from_body)):
        request.state.request_id = cleaned
    return str(request.state.request_id)
