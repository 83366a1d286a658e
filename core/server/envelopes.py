"""The bodies of errors: one shape for the native routes, and the shape that each dialect's clients read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import orjson
from starlette.responses import Response
from starlette.types import Scope

from cenote.config.server import ServerConfig
from cenote.server.api_error import ApiError
from cenote.server.paths import route_path

__all__ = ["Envelope", "ErrorWriter", "error_text"]

#: From an error to the status and the body that a dialect gives it.
Envelope: TypeAlias = Callable[[ApiError], tuple[int, dict[str, Any]]]

_MAX_MESSAGE = 10_000


def error_text(error: ApiError) -> str:
    """Return an error's message, bounded and encodable."""
    return str(error.detail)[:_MAX_MESSAGE].encode(errors="replace").decode()


class ErrorWriter:
    """Writes errors in the envelope of the route that they happened on.

    A route that several dialects share names its envelope in `request.state.envelope` once it knows which one the
    body speaks; until then, and before any route is found, the path decides.
    """

    def __init__(self, config: ServerConfig, by_path: Mapping[str, Envelope] | None = None) -> None:
        """Make a writer.

        Args:
            config: of the server.
            by_path: envelopes of dialects by path; every other path has the native one.
        """
        self._config = config
        self._by_path = by_path or {}

    def response(self, error: ApiError, scope: Scope | None = None) -> Response:
        """Encode an error; None as the scope is a request that could not be parsed."""
        chosen = scope.get("state", {}).get("envelope") if scope is not None else None
        status, body = (chosen or self.envelope_of(route_path(scope) if scope is not None else ""))(error)
        return Response(orjson.dumps(body), status, dict(error.headers or {}), "application/json")

    def envelope_of(self, path: str) -> Envelope:
        """Return how errors are written on a path as long as nothing is known of the body."""
        return self._by_path.get(path, self._native)

    def _native(self, error: ApiError) -> tuple[int, dict[str, Any]]:
        body = {
            "message": error_text(error),
            "type": error.type,
            "param": error.param,
            "code": error.status_code,
        }
        if self._config.error_format == "flat":
            return error.status_code, {"object": "error", **body}
        # Before the body is read nothing tells Voyage's client apart; without `detail` it shows no AuthenticationError.
        named = {"detail": body["message"]} if error.status_code == 401 else {}
        return error.status_code, {"error": body, **named}
