"""The shapes of `input` on `/v1/embeddings`: those of every route, and conversations."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import PlainValidator, WithJsonSchema

from cenote.server.chat_fields import parse_conversations
from cenote.server.content_schema import CONVERSATION
from cenote.server.prompts import INPUT_SHAPES, parse_input
from cenote.types import Prompt

__all__ = ["EmbeddingInput"]


def parse_embedding_input(value: object) -> tuple[Prompt, ...]:
    """Parse `input`: messages and lists of them (http-api.md section 4.2), else what every route takes.

    Raises:
        ValueError: any other shape that `parse_input` refuses.
        InvalidRequest: what looks like a conversation is none, or an object holds nothing that can be read.
    """
    if _is_chat(value) or (isinstance(value, list) and value and all(map(_is_chat, value))):
        return parse_conversations(value)
    return parse_input(value)


def _is_chat(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) and isinstance(item.get("role"), str) for item in value)
    )


#: A body field that holds parsed prompts.
EmbeddingInput: TypeAlias = Annotated[
    tuple[Prompt, ...],
    PlainValidator(parse_embedding_input),
    WithJsonSchema(
        {
            "anyOf": [
                *INPUT_SHAPES,
                CONVERSATION,
                {"type": "array", "items": CONVERSATION, "minItems": 1},
            ]
        }
    ),
]
