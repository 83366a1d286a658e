"""Conversations as callers pass them: checked, copied, and with their media taken out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cenote.errors import InvalidRequest, WrongType
from cenote.inputs.media import media_kind
from cenote.inputs.parts import parse_part
from cenote.inputs.values import describe
from cenote.types import MediaItem, Message, Prompt

__all__ = ["join_parts", "parse_conversation", "readable_messages", "split_content"]

_PARAM = "messages"


def parse_conversation(messages: Any) -> Prompt:
    """Check the shape of a conversation, and take its media out.

    Args:
        messages: `{"role": str, "content": str, list of parts, or None}`, with further keys for the template. A part
            is a text or a medium of any spelling of `parse_part`.

    Returns:
        A prompt whose `media` are in the order of the parts; in `messages` a part `{"type": "image"}` or
        `{"type": "video"}` stands for each, as chat templates of Hugging Face read them.

    Raises:
        WrongType: not a list of mappings, or a role or content of another type.
        InvalidRequest: no messages, one without a role or with no parts, or a part that is not supported.
    """
    if not isinstance(messages, list | tuple):
        raise WrongType(f"messages must be a list of messages, got {describe(messages)}.", param=_PARAM)
    if not messages:
        raise InvalidRequest("messages is empty; give at least one message.", param=_PARAM)
    media: list[MediaItem] = []
    parsed = tuple(_message(message, at, media) for at, message in enumerate(messages))
    return Prompt(messages=parsed, media=tuple(media))


def readable_messages(messages: Sequence[Message], kinds: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return messages whose content is a string, None, or a list of texts and of media that a model reads.

    Args:
        messages: a conversation.
        kinds: of media that may stand in it.

    Raises:
        InvalidRequest: a part of another kind.
    """
    for at, message in enumerate(messages):
        content = message.get("content")
        for index, part in enumerate(content if isinstance(content, list) else ()):
            kind = part.get("type")
            if kind != "text" and kind not in kinds:
                reads = " and ".join(("text", *kinds))
                text = f"Part {index} of message {at} is {kind!r}, but this model reads {reads} only."
                raise InvalidRequest(text, param=_PARAM)
    return [{**message, "content": message.get("content")} for message in messages]


def join_parts(message: Mapping[str, Any], placeholders: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return a message whose parts are one string: media in front, then texts, joined with newlines.

    Args:
        message: one of `readable_messages`.
        placeholders: what stands for a medium of each kind.

    Source: vLLM 0.32 does the same for templates that read strings (http-api.md section 5).
    """
    content = message["content"]
    if isinstance(content, list):
        marks = [(placeholders or {})[part["type"]] for part in content if part["type"] != "text"]
        content = "\n".join([*marks, *(part["text"] for part in content if part["type"] == "text")])
    return {**message, "content": content}


def split_content(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message whose content is a list of parts, for templates that read nothing else."""
    content = message["content"]
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    return {**message, "content": content}


def _message(message: Any, at: int, media: list[MediaItem]) -> Message:
    if not isinstance(message, Mapping):
        raise WrongType(f"Message {at} must be a mapping with role and content, got {describe(message)}.", param=_PARAM)
    role, content = message.get("role"), message.get("content")
    if not isinstance(role, str):
        raise WrongType(f"The role of message {at} must be a string, got {describe(role)}.", param=_PARAM)
    if not role:
        raise InvalidRequest(f"The role of message {at} is empty.", param=_PARAM)
    if content is not None and not isinstance(content, str | list | tuple):
        raise WrongType(
            f"The content of message {at} must be a string or a list of parts, got {describe(content)}.", param=_PARAM
        )
    if isinstance(content, list | tuple):
        if not content:
            text = f"The content of message {at} is an empty list; give at least one part, or a text."
            raise InvalidRequest(text, param=_PARAM)
        content = [_part(part, f"part {index} of message {at}", media) for index, part in enumerate(content)]
    return {**message, "content": content}


def _part(part: Any, where: str, media: list[MediaItem]) -> dict[str, Any]:
    found = parse_part(part, where, _PARAM)
    if isinstance(found, str):
        return {"type": "text", "text": found}
    media.append(found)
    return {"type": media_kind(found)}
