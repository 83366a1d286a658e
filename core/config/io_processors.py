"""The forms in which IO processors may be named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cenote.errors import InvalidRequest

__all__ = ["spell_io_processors"]


def spell_io_processors(value: Any) -> Any:
    """Return the names in a text (separated by commas), or in a list of such texts, as a tuple; None stays None.

    Raises:
        InvalidRequest: a name is given twice.
    """
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, Sequence) or not all(isinstance(text, str) for text in texts):
        return value
    names = tuple(name.strip() for text in texts for name in text.split(",") if name.strip())
    if len(set(names)) < len(names):
        given = ", ".join(names)
        raise InvalidRequest(f"io_processor_plugin names a processor twice: {given}.", param="io_processor_plugin")
    return names
