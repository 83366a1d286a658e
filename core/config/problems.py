"""pydantic's complaints about options, turned into errors that say what to do."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from pydantic import ValidationError

from cenote.errors import InvalidRequest

__all__ = ["near_names", "refusal"]

_SECRET = ("hf_token",)


def refusal(error: ValidationError, known: Collection[str], what: str = "option") -> InvalidRequest:
    """Return the error for the first complaint.

    Args:
        error: what pydantic found.
        known: names of the fields.
        what: how a field is called in messages.
    """
    first = error.errors()[0]
    # Behind the name of the field pydantic also writes which form of several it tried.
    where = ".".join(str(part) for part in first["loc"] if part in known or isinstance(part, int))
    where = where or ".".join(map(str, first["loc"]))
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, InvalidRequest):
        return cause
    if first["type"] == "extra_forbidden":
        return InvalidRequest(f"Unknown {what} {where!r}.{near_names(where, known)}", param=where)
    if first["type"] == "literal_error":
        text = f"{where}={first['input']!r} is not offered. Use {first['ctx']['expected']}."
        return InvalidRequest(text, param=where)
    given = "" if where in _SECRET else f" (given: {first['input']!r})"
    return InvalidRequest(f"{where}: {first['msg']}{given}", param=where)


def near_names(name: str, known: Collection[str]) -> str:
    """Return a sentence with the known names that are like this one, with a blank in front, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=3)
    return f" Did you mean {', '.join(near)}?" if near else ""
