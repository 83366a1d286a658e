"""Whole numbers with the suffixes k and m, as people write lengths and sizes."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator

__all__ = ["Size", "read_size"]

_FACTORS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "K": 1024, "M": 1024**2, "G": 1024**3}
_SIZE = re.compile(r"(-?[0-9]{1,18})([kmgKMG]?)|([0-9]{1,6}\.[0-9]{1,3})([kmg])")


def read_size(value: Any) -> Any:
    """Turn '8k' into 8000, '25.6k' into 25600, '8K' into 8192 and '64M' into 67108864. What is no text stays as it is.

    Small letters are powers of 1000, large ones of 1024. Source: vLLM 0.32, `--max-model-len`.

    Raises:
        ValueError: a truth value, or a text that is no whole number with or without a suffix.
    """
    if isinstance(value, bool):
        raise ValueError("must be a whole number, not true or false")
    if not isinstance(value, str):
        return value
    found = _SIZE.fullmatch(value.strip())
    if found is None:
        raise ValueError(
            "must be a whole number, or one with k, m, g (powers of 1000) or K, M, G (of 1024), such as 8K"
        )
    return int(Decimal(found[1] or found[3]) * _FACTORS[found[2] or found[4] or ""])


#: A whole number that texts may give with a suffix.
Size = Annotated[int, BeforeValidator(read_size)]
