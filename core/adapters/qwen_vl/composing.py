"""Prompts in every form to written ones: which layout a prompt gets, and where its media stand in it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from cenote.adapters.qwen_vl.layouts import PLACEHOLDERS, Layout, Layouts, visual
from cenote.adapters.qwen_vl.seeing import Seen
from cenote.adapters.qwen_vl.writing import Written
from cenote.errors import InvalidRequest
from cenote.inputs import check_no_placeholders
from cenote.inputs.chat import ChatRenderer
from cenote.types import ChatOptions, Message, Prompt, Role, TokenizationOptions

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["Composer", "content_of"]

_PLACEHOLDER = re.compile("|".join(map(re.escape, PLACEHOLDERS.values())))
_KINDS = {token: kind for kind, token in PLACEHOLDERS.items()}


def content_of(prompt: Prompt, dropped: Collection[str] = ()) -> tuple[Prompt, Role | None]:
    """Return a conversation of one message as its text and media, and what its role says it is for.

    Texts of several parts are joined with newlines.

    Args:
        prompt: with one message.
        dropped: parts beside a medium that count as no text.
    """
    (message,) = prompt.messages or ()
    texts = [str(part["text"]) for part in _parts(message) if part.get("type") == "text"]
    role = cast("Role", message["role"]) if message["role"] in ("query", "document") else None
    if prompt.media:
        texts = [text for text in texts if text.strip() not in dropped]
    return replace(prompt, messages=None, text="\n".join(filter(None, texts))), role


@dataclass(frozen=True, slots=True)
class Composer:
    """Writes prompts for one model; may be used from many threads.

    Attributes:
        layouts: of the model.
        chat: fills its chat template.
        template: of the operator, in place of the model's own.
    """

    layouts: Layouts
    chat: ChatRenderer
    template: str | None = None

    @classmethod
    def of(cls, layouts: Layouts, tokenizer: PreTrainedTokenizerBase, template: str | None) -> Composer:
        """Make one for a tokenizer."""
        return cls(layouts, ChatRenderer(tokenizer, {kind: visual(kind) for kind in layouts.media}), template)

    def is_content(self, messages: Sequence[Message], options: TokenizationOptions) -> bool:
        """Tell whether a conversation is read as its content, not through a chat template."""
        asked = options.chat.template if options.chat is not None else None
        return len(messages) == 1 and asked is None and self.template is None and not self.layouts.is_plain

    def write(
        self,
        text: str,
        seen: Sequence[Seen],
        role: Role,
        options: TokenizationOptions,
        *,
        from_end: bool,
        is_layout: bool = False,
    ) -> Written:
        """Write a text with its media.

        Args:
            text: with the stored prompt that goes in front of it.
            seen: the media.
            role: what it is for.
            options: `add_special_tokens` False leaves out everything that the model puts around.
            from_end: the end of the text is kept where it is cut.
            is_layout: placeholders in the text say where the media stand; else they are refused.

        Raises:
            InvalidRequest: placeholders in the text that stand for no medium, or more media than the layout has.
        """
        if is_layout and seen and _PLACEHOLDER.search(text):
            return self.literal(text, seen, from_end=from_end)
        check_no_placeholders([text], PLACEHOLDERS.values())
        bare = options.add_special_tokens is False
        if not seen:
            layout = Layout() if bare else self.layouts.texts[role]
            if not text and not bare:
                layout = replace(layout, before=layout.before + self.layouts.empty)
            return self._fill(layout, text)
        stacked = "".join(visual(item.kind) for item in seen)
        if bare or self.layouts.is_plain:
            return self.literal(stacked + text, seen, from_end=from_end)
        if self.layouts.stacks:
            written = self._fill(self.layouts.texts[role], text)
            return self.with_frames(replace(written, before=written.before + stacked), seen)
        if len(seen) > 1:
            raise InvalidRequest(
                f"This model reads one image or video per prompt, got {len(seen)}. Send them one by one, or write a "
                f"'prompt' beside 'multi_modal_data' with {visual('image')!r} where each image shall stand."
            )
        return self.with_frames(self._fill(self.layouts.media[seen[0].kind], text), seen)

    def render(
        self, messages: Sequence[Message], seen: Sequence[Seen], options: ChatOptions, *, from_end: bool
    ) -> Written:
        """Write a conversation by the chat template, which writes the placeholders.

        Raises:
            InvalidRequest: the template cannot be filled, or has not one placeholder for each medium.
        """
        texts = (str(part.get("text", "")) for message in messages for part in _parts(message))
        check_no_placeholders(texts, PLACEHOLDERS.values(), param="messages")
        if options.template is None and self.template is not None:
            options = replace(options, template=self.template)
        return self.literal(self.chat.render(messages, options), seen, from_end=from_end)

    def literal(self, text: str, seen: Sequence[Seen], *, from_end: bool) -> Written:
        """Take a text as it is; where it is cut, that is behind its last medium, or in front of its first one.

        Raises:
            InvalidRequest: there is not one placeholder for each medium.
        """
        found = list(_PLACEHOLDER.finditer(text))
        kinds = [_KINDS[match.group()] for match in found]
        wanted = [item.kind for item in seen]
        if sorted(kinds) != sorted(wanted):
            raise InvalidRequest(
                f"The prompt has placeholders for {_counted(kinds)}, but {_counted(wanted)} "
                f"{'was' if len(wanted) == 1 else 'were'} given; each medium needs exactly one."
            )
        if not found:
            return Written("", text, "")
        if from_end:
            start = found[0].start()
            start -= len("<|vision_start|>") * text[:start].endswith("<|vision_start|>")
            return self.with_frames(Written("", text[:start], text[start:]), seen)
        end = found[-1].end()
        end += len("<|vision_end|>") * text[end:].startswith("<|vision_end|>")
        return self.with_frames(Written(text[:end], text[end:], ""), seen)

    def _fill(self, layout: Layout, text: str) -> Written:
        text = text.strip() if self.layouts.strips else text
        return Written(layout.before + (layout.gap if text else ""), text, layout.after)

    def with_frames(self, written: Written, seen: Sequence[Seen]) -> Written:
        """Write the frames of videos in place of their placeholders.

        Source: `Qwen3VLProcessor` of transformers 5.23, for the moments and the marks of each frame.
        """
        if not any(item.moments for item in seen):
            return written
        waiting = iter([item for item in seen if item.kind == "video"])

        def frames(_: re.Match[str]) -> str:
            return "".join(f"{moment}{visual('video')}" for moment in next(waiting).moments)

        video = re.escape(PLACEHOLDERS["video"])
        pattern = re.compile(f"{re.escape(visual('video'))}|{video}")
        return Written(pattern.sub(frames, written.before), written.text, pattern.sub(frames, written.after))


def _parts(message: Message) -> Sequence[Mapping[str, Any]]:
    """Return the parts of a message, whose content may be one text."""
    content = message.get("content")
    return content if isinstance(content, list | tuple) else [{"type": "text", "text": content or ""}]


def _counted(kinds: Sequence[str]) -> str:
    counts = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
    shown = (f"{count} {kind}{'s' * (count > 1)}" for kind, count in counts.items())
    return " and ".join(shown) or "no media"
