"""Lists of numbers that callers pass, from Python, numpy and torch, checked and made plain."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from operator import index
from typing import Any

from cenote.errors import InvalidRequest, WrongType

__all__ = ["as_list", "brief", "describe", "is_number", "parse_ids", "parse_type_ids"]

#: Characters from which a text is not shown.
_LONG = 200


def parse_ids(value: Any, name: str, *, param: str = "input") -> tuple[int, ...]:
    """Return a list of integers as a tuple.

    Args:
        value: a list, tuple or array.
        name: what it is called in the message.
        param: the request field to blame.

    Raises:
        WrongType: no list, or something other than an integer in it.
    """
    items = as_list(value)
    if items is None:
        raise WrongType(f"{name!r} must be a list of integers, got {describe(value)}.", param=param)
    try:
        if all(type(item) is int or _is_id(item) for item in items):
            return tuple(map(index, items))
    except TypeError:
        pass  # numpy's floats and booleans have the method and refuse the call
    wrong = next((item for item in items if not isinstance(item, int) or isinstance(item, bool)), items)
    raise WrongType(f"{name} must hold integers only, found {describe(wrong)}.", param=param)


def parse_type_ids(value: Any, length: int) -> tuple[int, ...]:
    """Return segment ids: zeros, then ones (python-api.md section 16).

    Raises:
        WrongType: not a list of integers.
        InvalidRequest: another length than the token ids, or other numbers.
    """
    types = parse_ids(value, "token_type_ids", param="token_type_ids")
    if len(types) != length:
        raise InvalidRequest(
            f"token_type_ids has {len(types)} entries, prompt_token_ids has {length}.", param="token_type_ids"
        )
    if any(a > b for a, b in pairwise(types)) or not set(types) <= {0, 1}:
        raise InvalidRequest("token_type_ids must be zeros followed by ones.", param="token_type_ids")
    return types


def as_list(value: Any) -> Sequence[Any] | None:
    """Return lists and tuples as they are and arrays as lists; None for anything else."""
    if isinstance(value, list | tuple):
        return value
    convert = getattr(value, "tolist", None)
    if convert is not None and not isinstance(value, bytes | bytearray):
        items = convert()
        return items if isinstance(items, list) else None
    return None


def is_number(value: Any) -> bool:
    """Tell whether a value is a number of Python, numpy or torch."""
    return isinstance(value, int | float) or _is_id(value)


def describe(value: Any) -> str:
    """Return type and beginning of a value, for messages."""
    if isinstance(value, str) and len(value) > _LONG:  # perhaps a medium
        return f"str of {len(value)} characters"
    return f"{type(value).__name__} {brief(value)}"


def brief(value: Any, most: int = 40) -> str:
    """Return how a value is written, cut to some characters, and without what an address `data:` holds."""
    text = repr(value)
    if (place := text.lower().find("data:")) >= 0:
        text = f"{text[: place + 5]}..."
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _is_id(value: Any) -> bool:
    """Accept ints and the integer scalars of numpy and torch, whose arrays have `__index__` too; refuse booleans."""
    is_bool = isinstance(value, bool) or str(getattr(value, "dtype", "")).endswith("bool")
    return hasattr(value, "__index__") and not is_bool and getattr(value, "ndim", 0) == 0
