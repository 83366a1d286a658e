"""The beginning of a text that a model has room for."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable

__all__ = ["cut_to_tokens"]

_WORD = re.compile(r"\S+")


def cut_to_tokens(text: str, most: int, count: Callable[[str], int]) -> str:
    """Return as much of a text as has so many tokens, up to the end of a word, or within the first one.

    Args:
        text: begins with a letter, not with a space.
        most: tokens.
        count: tells how many tokens a text has; assumed not to fall where words are added.

    Returns:
        The beginning; empty where not even one letter fits.
    """
    if count(text) <= most:
        return text
    ends = [word.end() for word in _WORD.finditer(text)]
    words = bisect_right(ends, most, key=lambda end: count(text[:end]))
    if words:
        return text[: ends[words - 1]]
    return text[: bisect_right(range(1, ends[0]), most, key=lambda end: count(text[:end]))]
