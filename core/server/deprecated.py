"""Fields of other releases that meant `use_activation`: refused, or taken with a warning where the operator allows it.

Ignoring them, as vLLM 0.32 does with two of them, would give other numbers than those asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cenote.errors import InvalidRequest
from cenote.server.switches import Switches

__all__ = ["WarnOfDeprecated", "replace_deprecated"]

_REMOVED = ("normalize", "softmax", "activation")
_NOW = "use_activation"


def replace_deprecated(data: Mapping[str, Any], switches: Switches) -> Mapping[str, Any]:
    """Return a body with `use_activation` in place of a removed field, where that is allowed.

    Raises:
        InvalidRequest: it is not allowed, or the fields contradict each other.
    """
    used = [name for name in _REMOVED if name in data]
    if not used:
        return data
    if not switches.accept_deprecated:
        raise InvalidRequest(f"{used[0]} was removed; use {_NOW} instead.", param=used[0])
    kept = {name: value for name, value in data.items() if name not in _REMOVED}
    for name in used:
        if kept.setdefault(_NOW, data[name]) is not data[name]:
            raise InvalidRequest(f"{name} and another name of {_NOW} contradict each other; send one.", param=name)
    switches.deprecated += used
    return kept


class WarnOfDeprecated:
    """Name the removed fields of a body in the answer's header `Warning`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""

        async def add_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                for name in scope.get("state", {}).get("deprecated", ()):
                    text = f'299 cenote "{name} is deprecated; use {_NOW}"'  # RFC 7234, section 5.5.7
                    MutableHeaders(scope=message).append("Warning", text)
            await send(message)

        await self._app(scope, receive, add_header)
