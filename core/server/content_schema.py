"""JSON schemas of content: a text, or a list of parts, which are texts and media (http-api.md section 5)."""

from __future__ import annotations

from typing import Any

__all__ = ["CONTENT", "CONVERSATION", "MEDIA_PARTS", "PARTS", "TEXT_PART", "WRAPPED"]


def _part(kind: str, value: dict[str, Any], *examples: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"type": {"const": kind}, kind: value}, "required": ["type", kind]}
    shown = [{"type": kind, kind: example} for example in examples]
    return {**schema, "examples": shown} if shown else schema


#: One black pixel.
_PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNgAAAAAgAB5Sfe/AAAAABJRU5ErkJggg=="
)
#: An address: `data:` with base64, or what the operator allows of `https:`, `http:` and `file:`.
_ADDRESS = {
    "anyOf": [
        {"type": "object", "properties": {"url": {"type": "string"}}, "required": ["url"]},
        {"type": "string"},
    ]
}
#: Arrays of a vision tower by name, or one tensor as base64.
_EMBEDS = {"anyOf": [{"type": "string"}, {"type": "object"}]}
TEXT_PART = _part("text", {"type": "string"}, "A cenote is a natural pit.")
#: Parts that only models of images (or videos) read.
MEDIA_PARTS = [
    _part("image_url", _ADDRESS, {"url": _PIXEL}, {"url": "https://example.org/page.png"}),
    _part("video_url", _ADDRESS, {"url": "https://example.org/film.mp4"}),
    _part("image_embeds", _EMBEDS),
]
#: Names that other APIs give to the same: OpenAI's Responses, and what models say.
_OTHERS = {
    "type": "object",
    "properties": {"type": {"enum": ["input_text", "output_text", "refusal", "thinking", "input_image"]}},
    "required": ["type"],
}
#: A list of parts.
PARTS: dict[str, Any] = {
    "type": "array",
    "items": {"anyOf": [TEXT_PART, *MEDIA_PARTS, _OTHERS, {"type": "string"}]},
    "minItems": 1,
}
#: What a message says.
CONTENT: dict[str, Any] = {"anyOf": [{"type": "string"}, PARTS, {"type": "null"}]}
#: Content in an object of its own, as scores and Jina's inputs have it.
WRAPPED: dict[str, Any] = {
    "type": "object",
    "properties": {"content": {"anyOf": [{"type": "string"}, PARTS]}},
    "required": ["content"],
}
_MESSAGE = {
    "type": "object",
    "properties": {"role": {"type": "string", "minLength": 1}, "content": CONTENT},
    "required": ["role"],
}
#: One conversation.
CONVERSATION: dict[str, Any] = {"type": "array", "items": _MESSAGE, "minItems": 1}
