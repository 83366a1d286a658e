"""Conversations as callers pass them: checked, copied, and reduced to what text models read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cenote.errors import InvalidRequest, WrongType
from cenote.inputs.values import describe
from cenote.types import Message

__all__ = ["join_parts", "parse_messages", "split_content", "text_messages"]

#: Part types that carry text, and the key that holds it (http-api.md section 5).
_TEXT_PARTS: Mapping[str, str] = {
    "text": "text",
    "input_text": "text",
    "output_text": "text",
    "refusal": "refusal",
    "thinking": "thinking",
}


def parse_messages(messages: Any) -> tuple[Message, ...]:
    """Check the shape of a conversation.

    Args:
        messages: `{"role": str, "content": str, list of parts, or None}`, with further keys for the template.

    Raises:
        WrongType: not a list of mappings, or a role or content of another type.
        InvalidRequest: no messages, or one without a role.
    """
    if not isinstance(messages, list | tuple):
        raise WrongType(f"messages must be a list of messages, got {describe(messages)}.", param="messages")
    if not messages:
        raise InvalidRequest("messages is empty; give at least one message.", param="messages")
    return tuple(_message(message, at) for at, message in enumerate(messages))


def text_messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return messages whose content is a string, None, or a list of `{"type": "text", "text": ...}` parts.

    Raises:
        InvalidRequest: a part that is not text.
    """
    return [{**message, "content": _text_content(message.get("content"), at)} for at, message in enumerate(messages)]


def join_parts(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message whose text parts are one string, joined with newlines as vLLM does (http-api.md section 5)."""
    content = message["content"]
    if isinstance(content, list):
        content = "\n".join(part["text"] for part in content)
    return {**message, "content": content}


def split_content(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message whose content is a list of parts, for templates that read nothing else."""
    content = message["content"]
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    return {**message, "content": content}


def _message(message: Any, at: int) -> Message:
    if not isinstance(message, Mapping):
        raise WrongType(
            f"Message {at} must be a mapping with role and content, got {describe(message)}.", param="messages"
        )
    role, content = message.get("role"), message.get("content")
    if not isinstance(role, str):
        raise WrongType(f"The role of message {at} must be a string, got {describe(role)}.", param="messages")
    if not role:
        raise InvalidRequest(f"The role of message {at} is empty.", param="messages")
    if content is not None and not isinstance(content, str | list | tuple):
        raise WrongType(
            f"The content of message {at} must be a string or a list of parts, got {describe(content)}.",
            param="messages",
        )
    if isinstance(content, list | tuple):
        content = [_part(part, at, index) for index, part in enumerate(content)]
    return {**message, "content": content}


def _part(part: Any, at: int, index: int) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if not isinstance(part, Mapping):
        raise WrongType(
            f"Part {index} of message {at} must be a mapping with a type, got {describe(part)}.", param="messages"
        )
    kind = part.get("type", "text" if "text" in part else None)
    if not isinstance(kind, str):
        raise WrongType(f"Part {index} of message {at} needs a type, such as 'text'.", param="messages")
    key = _TEXT_PARTS.get(kind)
    if key is None:
        return dict(part)
    if not isinstance(part.get(key), str):
        raise WrongType(
            f"{key!r} of part {index} of message {at} must be a string, got {describe(part.get(key))}.",
            param="messages",
        )
    return {"type": "text", "text": part[key]}


def _text_content(content: Any, at: int) -> Any:
    if not isinstance(content, list):
        return content
    for index, part in enumerate(content):
        if part.get("type") != "text":
            raise InvalidRequest(
                f"Part {index} of message {at} is {part.get('type')!r}, but this model reads text only.",
                param="messages",
            )
    return content
