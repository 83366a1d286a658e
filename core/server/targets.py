"""Request targets in absolute form, `POST http://host/pooling HTTP/1.1`, as clients send them to proxies."""

from __future__ import annotations

import re
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["OriginForm"]

#: Scheme, authority and path. The authority is a name or an address, perhaps with a port; one with a user, which RFC
#: 9110, section 4.2.4, calls an error, does not fit.
_ABSOLUTE = re.compile(
    rb"https?://((?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?)(/.*)?", re.IGNORECASE | re.DOTALL
)


class OriginForm:
    """Route a target in absolute form by its path alone, and take its authority for the Host (RFC 9112, 3.2.2).

    The key is checked behind this, by the route that is found for what is left. A target that does not fit stays as it
    is, and no route takes it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        found = _ABSOLUTE.fullmatch(scope.get("raw_path") or b"") if scope["type"] == "http" else None
        if found is not None:
            path: bytes = found[2] or b"/"
            scope["raw_path"], scope["path"] = path, unquote(path.decode("ascii"))
            headers = [(name, value) for name, value in scope["headers"] if name != b"host"]
            scope["headers"] = [(b"host", found[1]), *headers]
        await self._app(scope, receive, send)
