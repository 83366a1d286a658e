"""API keys: every route needs one, except those that are marked as open where they are defined."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from cenote.config.server import ServerConfig
from cenote.server.api_error import ApiError
from cenote.server.paths import route_path

if TYPE_CHECKING:
    from cenote.server.envelopes import ErrorWriter

__all__ = ["GUARDED", "KeyBeforeBody", "RequireApiKey", "is_open", "open_to_all"]

F = TypeVar("F", bound=Callable[..., Any])

_MARK = "cenote_open_to_all"
#: Beginnings of the paths that need a key; vLLM's (contract, section 1.1) as far as they exist here.
GUARDED = {"all": ("",), "vllm": ("/v1/", "/v2/")}


def open_to_all(endpoint: F) -> F:
    """Mark a route's function: it answers without a key. For what watchers call, and tells nothing of the models."""
    setattr(endpoint, _MARK, True)
    return endpoint


def is_open(endpoint: Callable[..., Any] | None) -> bool:
    """Return whether a route's function answers without a key."""
    return getattr(endpoint, _MARK, False) is True


class RequireApiKey:
    """Dependency of the whole app: 401 without one of the configured keys, before a byte of the body is read.

    Every route has it from the moment it is added. What counts is the function that the router has chosen: no
    spelling of a path, no Host and no prefix makes a guarded function an open one.
    """

    def __init__(self, config: ServerConfig) -> None:
        self._digests = tuple(hashlib.sha256(key.encode()).digest() for key in config.api_keys)
        self._guarded = GUARDED[config.guarded_routes]

    async def __call__(self, request: Request) -> None:
        """Check a request that a route is about to answer.

        Raises:
            ApiError: 401.
        """
        path = getattr(request.scope.get("route"), "path", "")
        if path.startswith(self._guarded) and not is_open(request.scope.get("endpoint")):
            self._check(request.scope)

    def _check(self, scope: Scope) -> None:
        if self._digests and not self._has_key(scope):
            raise ApiError(
                401,
                "Unauthorized",
                "This server needs an API key: send the header 'Authorization: Bearer <key>'.",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def check_unrouted(self, scope: Scope) -> None:
        """Check a request that no route takes, so that strangers do not learn which routes there are.

        Raises:
            ApiError: 401; for OPTIONS, which the contract (section 1.1) exempts from keys, 405 whatever the path.
        """
        try:
            if route_path(scope).startswith(self._guarded):
                self._check(scope)
        except ApiError:
            if scope["method"] != "OPTIONS":
                raise
            headers = {"Allow": "GET, HEAD, POST"}
            raise ApiError(405, "Method Not Allowed", "Method Not Allowed", headers=headers) from None

    def _has_key(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        scheme, _, key = (given[0] if len(given) == 1 else b"").partition(b" ")
        digest = hashlib.sha256(key.strip(b" \t")).digest()
        # Every key is compared, each in constant time, so that timing tells neither which nor how much matched.
        matches = [hmac.compare_digest(digest, known) for known in self._digests]
        return scheme.lower() == b"bearer" and any(matches)


class KeyBeforeBody:
    """Ask for the key on the paths of plugins before their body is read.

    The routes of plugins let the framework read their bodies, which it does before it calls `RequireApiKey`. This only
    refuses earlier what that refuses anyway.
    """

    def __init__(
        self, app: ASGIApp, guard: RequireApiKey, errors: ErrorWriter, patterns: Sequence[re.Pattern[str]]
    ) -> None:
        self._app = app
        self._guard = guard
        self._errors = errors
        self._patterns = patterns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and any(pattern.match(route_path(scope)) for pattern in self._patterns):
            try:
                self._guard.check_unrouted(scope)
            except ApiError as refusal:
                await self._errors.response(refusal, scope)(scope, receive, send)
                return
        await self._app(scope, receive, send)
