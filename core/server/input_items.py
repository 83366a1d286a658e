"""Objects in `input`: texts, images, videos, and content of several parts, as Jina's embedding bodies have them.

Source: the public description of api.jina.ai (`{"text": ...}`, `{"image": ...}` with an address or base64 without a
prefix, `{"content": [...]}`, `{"pdf": ...}`), and llama-index's client of jina-clip (`{"url": ...}`, `{"bytes": ...}`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cenote.errors import InvalidRequest
from cenote.inputs import parse_content
from cenote.server.content_schema import WRAPPED
from cenote.types import Prompt

__all__ = ["ITEM_SHAPES", "is_item", "parse_item"]

#: Names that jina-clip's clients give to the address and the base64 of an image.
_OLDER = {"url": "image_url", "bytes": "image"}
_KEYS = ("text", "image", "image_url", "image_embeds", "video", "video_url", "content", "pdf", "audio", *_OLDER)
_REFUSED = {
    "pdf": 'The IO processor pdf-pages makes images of pages: send {"data": {...}} to /pooling of a server that has it '
    "(--io-processor-plugin pdf-pages), or send images of the pages.",
    "audio": "Send a text or an image.",
}
_TEXT = {"type": "string"}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


#: JSON schemas of the objects.
ITEM_SHAPES: list[dict[str, Any]] = [
    _object(text=_TEXT),
    _object(image={"type": "string", "description": "An address, or base64."}),
    _object(video=_TEXT),
    WRAPPED,
]


def is_item(value: Any) -> bool:
    """Tell whether an element of `input` is such an object, and not a pair of texts or a message."""
    return (
        isinstance(value, Mapping) and not {"text_pair", "role"} & value.keys() and any(map(value.__contains__, _KEYS))
    )


def parse_item(value: Mapping[str, Any], name: str) -> Prompt:
    """Return what an object holds.

    Args:
        value: the object.
        name: what to call it in messages, such as `input[0]`.

    Raises:
        InvalidRequest: it holds what no model reads, or nothing that can be read.
    """
    refused = next((key for key in _REFUSED if value.get(key) is not None), None)
    if refused is not None:
        raise InvalidRequest(f"{name} has {refused}, which is not read here. {_REFUSED[refused]}", param="input")
    return parse_content({_OLDER.get(key, key): item for key, item in value.items()}, name)
