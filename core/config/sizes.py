"""Whole numbers with the suffixes k and m, as people write lengths and sizes."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

__all__ = ["Size", "read_size"]

_FACTORS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_SIZE = re.compile(r"(-?[0-9]{1,18})([kmg]?)", re.IGNORECASE)


def read_size(value: Any) -> Any:
    """Turn '8k' into 8192 and '64M' into 67108864; k is 1024 in either case. What is no text stays as it is.

    Raises:
        ValueError: a truth value, or a text that is no whole number with or without a suffix.
    """
    if isinstance(value, bool):
        raise ValueError("must be a whole number, not true or false")
    if not isinstance(value, str):
        return value
    found = _SIZE.fullmatch(value.strip())
    if found is None:
        raise ValueError("must be a whole number, or one with k, m or g (1024, 1024 squared, cubed) such as 8k")
    return int(found[1]) * _FACTORS[found[2].lower()]


#: A whole number that texts may give with a suffix.
Size = Annotated[int, BeforeValidator(read_size)]
