"""The shapes of `input` on `/v1/embeddings`: those of every route, conversations, and texts wrapped as objects."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import PlainValidator, WithJsonSchema

from cenote.errors import InvalidRequest
from cenote.server.chat_fields import parse_conversations
from cenote.server.content_schema import CONVERSATION
from cenote.server.prompts import INPUT_SHAPES, parse_input
from cenote.types import Prompt

__all__ = ["EmbeddingInput"]


def parse_embedding_input(value: object) -> tuple[Prompt, ...]:
    """Parse `input`: messages and lists of them (http-api.md section 4.2), `{"text": ...}` as Jina writes texts.

    Raises:
        ValueError: any other shape that `parse_input` refuses.
        InvalidRequest: an item is no text, or what looks like a conversation is none.
    """
    if _is_chat(value) or (isinstance(value, list) and value and all(map(_is_chat, value))):
        return parse_conversations(value)
    if isinstance(value, dict):
        return parse_input(_text(value, "All"))
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return parse_input([_text(item, f"Element {index}") for index, item in enumerate(value)])
    return parse_input(value)


def _is_chat(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) and isinstance(item.get("role"), str) for item in value)
    )


def _text(item: Any, where: str) -> Any:
    """Return the text of an object that holds nothing else; what else there is goes on as it is."""
    if not isinstance(item, dict):
        return item
    for kind in ("image", "video", "audio", "url", "bytes"):
        if kind in item:
            raise InvalidRequest(f"{where} of input has {kind}, but this model reads text only.", param="input")
    return item["text"] if set(item) == {"text"} and isinstance(item["text"], str) else item


_TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
#: A body field that holds parsed prompts.
EmbeddingInput: TypeAlias = Annotated[
    tuple[Prompt, ...],
    PlainValidator(parse_embedding_input),
    WithJsonSchema(
        {
            "anyOf": [
                *INPUT_SHAPES,
                {"type": "array", "items": {"anyOf": [{"type": "string"}, _TEXT]}, "minItems": 1},
                CONVERSATION,
                {"type": "array", "items": CONVERSATION, "minItems": 1},
            ]
        }
    ),
]
