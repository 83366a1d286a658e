"""The parts of a message or of a document: texts, and media of every spelling (http-api.md section 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cenote.errors import InvalidRequest, WrongType
from cenote.inputs.media_values import embeds_item, image_item, video_item
from cenote.inputs.values import brief, describe
from cenote.types import MediaItem

__all__ = ["parse_part"]

#: Part types that carry text, and the key that holds it.
_TEXTS: Mapping[str, str] = {
    "text": "text",
    "input_text": "text",
    "output_text": "text",
    "refusal": "refusal",
    "thinking": "thinking",
}
#: Part types that carry media, and the keys that may hold it. `image` and `video` are those of Hugging Face's messages.
_MEDIA: Mapping[str, tuple[str, ...]] = {
    "image_url": ("image_url",),
    "input_image": ("image_url",),
    "image": ("image", "url", "image_url"),
    "image_pil": ("image_pil",),
    "image_embeds": ("image_embeds",),
    "video_url": ("video_url",),
    "video": ("video", "url", "video_url"),
}
#: Keys that say what a part without a type is.
_UNTYPED = ("text", "image_url", "video_url", "image", "video", "image_embeds")
_SUPPORTED = ", ".join((*_TEXTS, *_MEDIA))


def parse_part(part: Any, where: str, param: str) -> str | MediaItem:
    """Return the text of a part, or its medium, which is not loaded yet.

    Args:
        part: a text, or a mapping with `type` and what the type names; `uuid` and `detail` have no effect.
        where: what to call it in messages, such as `part 0 of message 1`.
        param: field of the request that errors name, unless they are about a medium.

    Raises:
        WrongType: it has another form.
        InvalidRequest: its type is none that is supported, or the medium is missing.
    """
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping):
        raise WrongType(f"{_capital(where)} must be a mapping with a type, got {describe(part)}.", param=param)
    kind = part.get("type")
    if kind is None:
        kind = next((key for key in _UNTYPED if key in part), None)
    if not isinstance(kind, str):
        raise WrongType(f"{_capital(where)} needs a type, such as 'text'.", param=param)
    if kind in _TEXTS:
        return _text(part, _TEXTS[kind], where, param)
    if kind not in _MEDIA:
        text = (
            f"{_capital(where)} is of the type {brief(kind, 80)}, which is not supported. Supported are {_SUPPORTED}."
        )
        raise InvalidRequest(text, param=param)
    return _medium(part, kind, where)


def _text(part: Mapping[str, Any], key: str, where: str, param: str) -> str:
    text = part.get(key)
    if not isinstance(text, str):
        raise WrongType(f"{key!r} of {where} must be a string, got {describe(text)}.", param=param)
    return text


def _medium(part: Mapping[str, Any], kind: str, where: str) -> MediaItem:
    keys = _MEDIA[kind]
    key = next((key for key in keys if part.get(key) is not None), keys[0])
    value = part.get(key)
    if value is None:
        kept = " Media that were sent before are not kept under their 'uuid'." if "uuid" in part else ""
        raise InvalidRequest(f"{_capital(where)} has no {key!r}.{kept} Send the medium itself.", param=key)
    if kind == "image_embeds":
        return embeds_item(value, key)
    if isinstance(value, Mapping):
        value = value.get("url")
    item: Callable[..., MediaItem] = video_item if kind.startswith("video") else image_item
    param = kind if key == "url" else key
    try:
        return item(value, param, bare=key in ("image", "video"))
    except WrongType as exc:
        raise WrongType(f"{_capital(where)}: {exc}", param=param) from exc


def _capital(where: str) -> str:
    return where[0].upper() + where[1:] if where.startswith("part ") else where
