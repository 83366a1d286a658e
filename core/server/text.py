"""Make values from outside safe to show: bounded in length, depth and alphabet."""

from __future__ import annotations

import re
import reprlib

__all__ = ["clean_id", "shorten", "show"]

#: Visible ASCII, which a header carries unchanged and a log line shows as it is.
_ID = re.compile(r"[\x21-\x7e]{1,128}")
_MAX_VALUE = 200


class _Brief(reprlib.Repr):
    """As the base class, but of a `data:` address, which may be somebody's picture, tells its length only."""

    def repr_str(self, x: str, level: int) -> str:
        if x[:5].lower() == "data:":
            return f"'data:...' of {len(x)} characters"
        return super().repr_str(x, level)


def show(value: object) -> str:
    """Return a representation of a JSON value that stays short for any size and depth of it."""
    brief = _Brief()
    brief.maxlevel, brief.maxlist, brief.maxdict, brief.maxstring = 3, 6, 6, _MAX_VALUE // 2
    return shorten(brief.repr(value))


def shorten(text: str, limit: int = _MAX_VALUE) -> str:
    """Cut a text to `limit` characters, saying so with an ellipsis."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)] + "…"


def clean_id(text: str | None) -> str | None:
    """Return a client's request id where a header and a log line can carry all of it unchanged, else None.

    An id that would have to be cut or mended is dropped whole: what is left of two of them may be equal, and equals
    neither of those that their senders look for.
    """
    return text if text is not None and _ID.fullmatch(text) else None
