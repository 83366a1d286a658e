"""Text from outside, made safe to print."""

from __future__ import annotations

import unicodedata

__all__ = ["printable"]

#: Control characters, which steer terminals, and halves of characters, which no encoding can write.
_UNSAFE = ("Cc", "Cs")


def printable(text: str) -> str:
    r"""Write control characters as Python does in source text: an escape character becomes `\x1b`."""
    return "".join(
        ascii(character)[1:-1] if unicodedata.category(character) in _UNSAFE else character for character in text
    )
