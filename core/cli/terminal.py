"""What the terminal gets: text from outside made safe to print, and progress only where somebody sees it."""

from __future__ import annotations

import sys
import unicodedata

__all__ = ["printable", "wants_bar"]

#: Control characters, which steer terminals, and halves of characters, which no encoding can write.
_UNSAFE = ("Cc", "Cs")


def printable(text: str) -> str:
    r"""Write control characters as Python does in source text: an escape character becomes `\x1b`."""
    return "".join(
        ascii(character)[1:-1] if unicodedata.category(character) in _UNSAFE else character for character in text
    )


def wants_bar(count: int) -> bool:
    """Tell whether a run over so many texts shows its progress: not in a log, and not for a moment's work."""
    return count > 100 and sys.stderr.isatty()
