"""API keys: every route needs one, except those that watchers and browsers of the documentation call."""

from __future__ import annotations

import hashlib
import hmac

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from cenote.config.server import ServerConfig
from cenote.server.api_error import ApiError
from cenote.server.envelopes import ErrorWriter
from cenote.server.paths import OPEN_PATHS, route_path

__all__ = ["RequireApiKey"]


class RequireApiKey:
    """Refuse requests without one of the configured keys: 401, in the envelope."""

    def __init__(self, app: ASGIApp, config: ServerConfig, errors: ErrorWriter) -> None:
        self._app = app
        self._errors = errors
        self._digests = tuple(hashlib.sha256(key.encode()).digest() for key in config.api_keys)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request. An unknown path counts as guarded, so that it tells strangers nothing."""
        if scope["type"] != "http" or self._may_pass(scope):
            await self._app(scope, receive, send)
            return
        error = ApiError(
            401,
            "Unauthorized",
            "This server needs an API key: send the header 'Authorization: Bearer <key>'.",
            headers={"WWW-Authenticate": "Bearer"},
        )
        await self._errors.response(error, scope)(scope, receive, send)

    def _may_pass(self, scope: Scope) -> bool:
        if scope["method"] == "OPTIONS" or route_path(scope) in OPEN_PATHS:
            return True
        scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        digest = hashlib.sha256(key.strip().encode("latin-1")).digest()
        # Every key is compared, each in constant time, so that timing tells neither which nor how much matched.
        matches = [hmac.compare_digest(digest, known) for known in self._digests]
        return scheme.lower() == "bearer" and any(matches)
