"""The shapes of `input` on `/v1/embeddings`: those of every route, conversations, and Jina's objects."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import PlainValidator, WithJsonSchema

from cenote.server.chat_fields import parse_conversations
from cenote.server.content_schema import CONVERSATION
from cenote.server.jina_items import JINA_ITEMS, is_item, parse_item
from cenote.server.prompts import INPUT_SHAPES, parse_input
from cenote.server.text import show
from cenote.types import Prompt

__all__ = ["EmbeddingInput"]


def parse_embedding_input(value: object) -> tuple[Prompt, ...]:
    """Parse `input`: messages and lists of them (http-api.md section 4.2), and objects as Jina's clients write them.

    Raises:
        ValueError: any other shape that `parse_input` refuses.
        InvalidRequest: an object holds nothing that can be read, or what looks like a conversation is none.
    """
    if _is_chat(value) or (isinstance(value, list) and value and all(map(_is_chat, value))):
        return parse_conversations(value)
    if isinstance(value, dict) and is_item(value):
        return (parse_item(value, "input"),)
    if isinstance(value, list) and any(map(is_item, value)):
        return tuple(_prompt(item, index) for index, item in enumerate(value))
    return parse_input(value)


def _is_chat(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) and isinstance(item.get("role"), str) for item in value)
    )


def _prompt(item: Any, index: int) -> Prompt:
    if isinstance(item, str):
        return Prompt(text=item)
    if is_item(item):
        return parse_item(item, f"input[{index}]")
    raise ValueError(f"element {index} is {show(item)}, but must be a string or an object with text, image or content")


#: A body field that holds parsed prompts.
EmbeddingInput: TypeAlias = Annotated[
    tuple[Prompt, ...],
    PlainValidator(parse_embedding_input),
    WithJsonSchema(
        {
            "anyOf": [
                *INPUT_SHAPES,
                *JINA_ITEMS,
                {"type": "array", "items": {"anyOf": [{"type": "string"}, *JINA_ITEMS]}, "minItems": 1},
                CONVERSATION,
                {"type": "array", "items": CONVERSATION, "minItems": 1},
            ]
        }
    ),
]
