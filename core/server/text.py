"""Make values from outside safe to show: bounded in length, depth and alphabet."""

from __future__ import annotations

import re
import reprlib

__all__ = ["clean_id", "shorten", "show"]

_NOT_ID = re.compile(r"[^A-Za-z0-9._:-]")
_MAX_ID = 128
_MAX_VALUE = 200


def show(value: object) -> str:
    """Return a representation of a JSON value that stays short for any size and depth of it."""
    brief = reprlib.Repr()
    brief.maxlevel, brief.maxlist, brief.maxdict, brief.maxstring = 3, 6, 6, _MAX_VALUE // 2
    return shorten(brief.repr(value))


def shorten(text: str, limit: int = _MAX_VALUE) -> str:
    """Cut a text to `limit` characters, saying so with an ellipsis."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)] + "…"


def clean_id(text: str | None) -> str:
    """Return what of a client's request id may go into a header and a log line; may be empty."""
    return _NOT_ID.sub("", (text or "")[: 4 * _MAX_ID])[:_MAX_ID]
