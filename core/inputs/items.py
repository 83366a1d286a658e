"""What is scored or embedded as one item: a text, an image, or an object that holds parts of both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cenote.errors import InvalidRequest, WrongType
from cenote.inputs.media import parse_media
from cenote.inputs.media_values import image_item, is_medium
from cenote.inputs.parts import parse_part
from cenote.types import MediaItem, Prompt

__all__ = ["content_prompt", "parse_content"]

#: Keys of an object that hold one medium each, as Jina's clients write them.
_MEDIA_KEYS = ("image", "image_url", "video", "video_url", "image_embeds")


def parse_content(content: Any, name: str) -> Prompt:
    """Parse one item.

    Args:
        content: a text; `{"text": text}`; `{"image": address, base64 or image}`, also with `text` beside it;
            `{"content": text or list of parts}`; `{"prompt": text, "multi_modal_data": {...}}`; an image of Pillow; or
            a prompt, which is returned as it is.
        name: what to call it in messages: the field of the request, with its place if it is one of several.

    Returns:
        A prompt with a text, media or both. Texts of parts are joined with newlines.

    Raises:
        WrongType: it is something else.
        InvalidRequest: a part is of a type that is not supported, or has no medium.
    """
    if isinstance(content, str):
        return Prompt(text=content)
    if isinstance(content, Prompt):
        return content
    if is_medium(content):
        return Prompt(media=(image_item(content, _field(name)),))
    inner = content.get("content") if isinstance(content, Mapping) else None
    if isinstance(inner, str):
        return Prompt(text=inner)
    if isinstance(inner, Sequence) and not isinstance(inner, bytes | bytearray) and inner:
        return content_prompt(parse_part(part, f"part {at} of {name}", _field(name)) for at, part in enumerate(inner))
    if isinstance(content, Mapping) and inner is None and (found := _of_keys(content, name)) is not None:
        return found
    kind = type(content).__name__
    found_text = f"an object with {', '.join(map(repr, content)):.80}" if isinstance(content, Mapping) else kind
    wanted = f'{name} must be a text, {{"text": text}}, {{"image": address}} or {{"content": [parts]}}'
    raise WrongType(f"{wanted}, not {found_text}.", param=_field(name))


def content_prompt(parts: Iterable[str | MediaItem]) -> Prompt:
    """Return texts, joined with newlines as vLLM does (http-api.md section 5), and media as one prompt."""
    given = list(parts)
    texts = [part for part in given if isinstance(part, str)]
    media = tuple(part for part in given if isinstance(part, MediaItem))
    return Prompt(text="\n".join(texts) if texts else None, media=media)


def _of_keys(content: Mapping[str, Any], name: str) -> Prompt | None:
    """Return what an object's own keys hold, or None where it has none of those that are known."""
    text = content.get("text") if content.get("text") is not None else content.get("prompt")
    if text is not None and not isinstance(text, str):
        return None
    keys = [key for key in _MEDIA_KEYS if content.get(key) is not None]
    data = content.get("multi_modal_data")
    if data is not None:
        if keys:
            raise InvalidRequest(f"{name} has both 'multi_modal_data' and {keys[0]!r}; give one.", param=_field(name))
        written = text is not None and content.get("text") is None
        return Prompt(text=text, media=parse_media(data), is_layout=written)
    media = tuple(_keyed(content, key, name) for key in keys)
    return Prompt(text=text, media=media) if text is not None or media else None


def _keyed(content: Mapping[str, Any], key: str, name: str) -> MediaItem:
    item = parse_part({"type": key, key: content[key]}, name, _field(name))
    assert isinstance(item, MediaItem)
    return item


def _field(name: str) -> str:
    return name.partition("[")[0]
