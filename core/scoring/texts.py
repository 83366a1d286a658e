"""The two sides of scoring, as callers give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from cenote.errors import WrongType

__all__ = ["ScoreSide", "score_texts"]

#: One text or several; a text may be wrapped as `{"text": ...}` or `{"content": [{"type": "text", "text": ...}]}`.
ScoreSide: TypeAlias = str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]]


def score_texts(side: ScoreSide, name: str) -> list[str]:
    """Return the texts of one side.

    Args:
        side: as the caller gave it.
        name: of the argument, for messages.

    Raises:
        WrongType: something in it is no text.
    """
    if isinstance(side, str | Mapping):
        return [_text(side, name)]
    if not isinstance(side, Sequence) or isinstance(side, bytes | bytearray):
        raise WrongType(f"{name} must be a text or a list of texts, not {type(side).__name__}.", param=name)
    return [_text(item, f"{name}[{place}]") for place, item in enumerate(side)]


def _text(item: Any, name: str) -> str:
    if isinstance(item, str):
        return item
    param = name.partition("[")[0]
    wrapped = item.get("text") if isinstance(item, Mapping) and item.get("content") is None else None
    if isinstance(wrapped, str):
        return wrapped
    content = item.get("content") if isinstance(item, Mapping) else None
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence) or not content:
        found = f"an object with {', '.join(map(repr, item)):.80}" if isinstance(item, Mapping) else type(item).__name__
        text = f'{name} must be a text, {{"text": text}} or {{"content": [parts]}}, not {found}.'
        raise WrongType(text, param=param)
    return "\n".join(_part(part, name, param) for part in content)


def _part(part: Any, name: str, param: str) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Mapping) and part.get("type") == "text" and isinstance(part.get("text"), str):
        text: str = part["text"]
        return text
    kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
    raise WrongType(f"{name} has a part of type {kind!r}; this model reads text only.", param=param)
