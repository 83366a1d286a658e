"""How many media of each kind a prompt may have, in the forms in which operators write it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cenote.errors import InvalidRequest

__all__ = ["MEDIA_KINDS", "media_limit", "spell_media_limits"]

#: Kinds of media that a limit may name. No model here hears; a limit of `audio` is what vLLM's users write.
MEDIA_KINDS = ("image", "video", "audio")
#: What vLLM measures memory with, beside `count`; it limits no request there, and has no effect here.
_SIZES = ("width", "height", "num_frames", "length")
_UNNAMED = 999
_PARAM = "limit_mm_per_prompt"
_FORMS = '{"image": 4}, {"image": {"count": 4}} or image=4; 0 accepts none'


def media_limit(limits: Mapping[str, int], kind: str) -> int:
    """Return how many media of a kind a prompt may have.

    Source of 999 for a kind that is not named: vLLM 0.32, `--limit-mm-per-prompt`.
    """
    return limits.get(kind, _UNNAMED)


def spell_media_limits(value: Any) -> dict[str, int]:
    """Read the limits, from a mapping, JSON, or words such as `image=4,video=0`.

    Raises:
        InvalidRequest: it has another form, names an unknown kind, or a number that is no limit.
    """
    if value is None or value == "":
        return {}
    given = _parsed(value) if isinstance(value, str) else value
    if not isinstance(given, Mapping):
        raise InvalidRequest(f"{_PARAM} takes {_FORMS}; given: {value!r}.", param=_PARAM)
    return {_kind(name): _count(name, limit) for name, limit in given.items()}


def _parsed(text: str) -> Any:
    if not text.lstrip().startswith("{"):
        words = [word.partition("=") for word in text.split(",")]
        return {name.strip(): int(count) if count.strip().isdecimal() else count for name, _, count in words}
    try:
        return json.loads(text)
    except json.JSONDecodeError as exc:
        raise InvalidRequest(f"{_PARAM} is no valid JSON: {exc}. Given: {text!r}.", param=_PARAM) from exc


def _kind(name: Any) -> str:
    if name not in MEDIA_KINDS:
        known = ", ".join(MEDIA_KINDS)
        raise InvalidRequest(f"{_PARAM} names {name!r}; known kinds: {known}. Write {_FORMS}.", param=_PARAM)
    return str(name)


def _count(kind: Any, limit: Any) -> int:
    if isinstance(limit, Mapping):
        others = [name for name in limit if name not in ("count", *_SIZES)]
        if others:
            text = f"{_PARAM}: {kind!r} has {others[0]!r}; it takes 'count'"
            raise InvalidRequest(f"{text} ({', '.join(_SIZES)} have no effect).", param=_PARAM)
        limit = limit.get("count", _UNNAMED)
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
        text = f"{_PARAM}: the limit of {kind!r} must be a whole number from 0, not {limit!r}."
        raise InvalidRequest(f"{text} Write {_FORMS}.", param=_PARAM)
    return limit
