"""The one exception that routes raise for an answer other than success."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.exceptions import HTTPException

__all__ = ["ApiError", "ClientGone"]


class ApiError(HTTPException):
    """An answer other than success, ready for the wire.

    Attributes:
        type: the envelope's `type`.
        param: the offending field, or None.
    """

    def __init__(
        self,
        status: int,
        type_: str,
        message: str,
        *,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, dict(headers or {}))
        self.type = type_
        self.param = param


class ClientGone(Exception):
    """The client closed its connection; nobody waits for the answer."""
