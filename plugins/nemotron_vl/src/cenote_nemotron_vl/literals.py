"""Texts that name what stands for an image, in messages that a chat template writes beside images."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

from cenote.types import Message
from cenote_nemotron_vl.writing import IMAGE, Written, content_of

__all__ = ["Hidden"]

#: Characters of a private area of Unicode, which no template writes: any number of the first, then the other.
_FIRST, _LAST = "\ue000", "\ue001"


@dataclass(frozen=True, slots=True)
class Hidden:
    """Stands for each `<image>` of the caller's texts while a template writes those of the images.

    Attributes:
        mark: in place of `<image>`; no text of the messages has it.
    """

    mark: str

    @classmethod
    def of(cls, messages: Sequence[Message]) -> Self:
        """Return one for these messages, with a mark that is longer than any like it in their texts."""
        texts = [content_of(message)[0] for message in messages]
        longest = max((len(run) for text in texts for run in re.findall(f"{_FIRST}+", text)), default=0)
        return cls(_FIRST * (longest + 1) + _LAST)

    def put(self, messages: Sequence[Message]) -> list[Message]:
        """Return the messages with the mark in place of each `<image>` of a text."""
        return [self._put(message) for message in messages]

    def back(self, written: Written) -> Written:
        """Return what a template wrote with `<image>` where the mark is."""
        return Written(written.before.replace(self.mark, IMAGE), written.text.replace(self.mark, IMAGE))

    def _put(self, message: Message) -> Message:
        content = message.get("content")
        if isinstance(content, str):
            return cast("Message", {**message, "content": content.replace(IMAGE, self.mark)})
        parts: Sequence[Mapping[str, Any]] = content if isinstance(content, list | tuple) else ()
        hidden = [
            {**part, "text": str(part["text"]).replace(IMAGE, self.mark)} if part.get("type") == "text" else part
            for part in parts
        ]
        return cast("Message", {**message, "content": hidden} if parts else message)
