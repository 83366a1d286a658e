"""Prompts as text: what stands in front of a text, and where its images stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from cenote.errors import InvalidRequest
from cenote.inputs import check_no_placeholders
from cenote.types import Message, Prompt, Role
from cenote_nemotron_vl.sight import CONTEXT

__all__ = ["IMAGE", "Written", "cleaned", "content_of", "expand", "write"]

#: What stands for an image in a text; its tokens take its place.
IMAGE = "<image>"
_SEEN = f"<img>{CONTEXT}</img>"


@dataclass(frozen=True, slots=True)
class Written:
    """A prompt as text.

    Attributes:
        before: what is kept whole.
        text: what may be cut.
    """

    before: str
    text: str


def content_of(message: Message) -> tuple[str, Role | None]:
    """Return the text of a message, and what its role says it is for.

    Texts of several parts are joined with nothing between them.

    Source: the chat template that NVIDIA publishes with these models.
    """
    content = message.get("content")
    parts: Sequence[Mapping[str, Any]] = content if isinstance(content, list | tuple) else ()
    texts = [str(part["text"]) for part in parts if part.get("type") == "text"]
    text = "".join(texts) if parts else str(content or "")
    role = cast("Role", message["role"]) if message["role"] in ("query", "document") else None
    return text, role


def cleaned(text: str) -> str:
    """Return a text without `<image>`, also where taking one out makes another one of what is around it.

    It takes time in proportion to the text, however they are nested.
    """
    if IMAGE not in text:
        return text
    mark, kept = list(IMAGE), list[str]()
    *parts, rest = text.split(mark[-1])
    for part in parts:
        kept += part
        kept.append(mark[-1])
        if kept[-len(mark) :] == mark:
            del kept[-len(mark) :]
    return "".join(kept) + rest


def write(prefix: str, prompt: Prompt, text: str, role: Role | None, *, literal: bool) -> Written:
    """Write a text with its images, which stand in front of it.

    A document's first literal `<image>` is taken out where there is no image.

    Args:
        prefix: `query: `, `passage: ` or another.
        prompt: whose images are written.
        text: of the prompt.
        role: what it is for.
        literal: a text that says itself where its images stand is complete; nothing is put in front.

    Raises:
        InvalidRequest: such a text does not have one place for each image, or what is left of a text names the
            placeholder of the model.

    Source: `process_documents` and `process_queries` of NVIDIA's processor.
    """
    count = len(prompt.media)
    if not count:
        loses = role == "document" and not prompt.chunk_ends  # chunks end at characters of the caller's text
        whole = (prefix + text).replace(IMAGE, "", 1) if loses else prefix + text
        check_no_placeholders([whole], [CONTEXT])
        kept = len(prefix) if whole.startswith(prefix) else 0
        return Written(whole[:kept], whole[kept:])
    if literal and IMAGE in text:
        return expand(text, count)
    return Written(prefix + f"{_SEEN} " * count, text)


def expand(text: str, count: int) -> Written:
    """Return a complete prompt with the placeholder of the model for each `<image>`.

    Raises:
        InvalidRequest: there is not one for each image.
    """
    parts = text.split(IMAGE)
    if len(parts) - 1 != count:
        raise InvalidRequest(
            f"The prompt has {len(parts) - 1} of {IMAGE!r} for {count} images; it needs one where each shall stand.",
            param="input",
        )
    return Written("".join(part + _SEEN for part in parts[:-1]), parts[-1])
