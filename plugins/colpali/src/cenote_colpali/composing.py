"""Prompts in every form to written ones: which layout a prompt gets, and where its images stand in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cenote.adapters.qwen_vl import Layout, Layouts, Seen, Written
from cenote.errors import InvalidRequest
from cenote.inputs import check_no_placeholders
from cenote.inputs.chat import ChatRenderer
from cenote.types import ChatOptions, Message, Role, TokenizationOptions

__all__ = ["PLACEHOLDER", "PageComposer"]

#: What stands for an image in a text, for both models of this plugin.
PLACEHOLDER = "<image>"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageComposer:
    """Writes prompts for one model; may be used from many threads.

    The models read a text or an image; how they would read both was never defined, so that it is refused.

    Attributes:
        layouts: of the model; that of an image holds one placeholder.
        chat: fills its chat template.
        template: of the operator, in place of the model's own.
        closing: what is written behind the last tile of an image.
        around: what the tokenizer puts around a whole prompt that a caller wrote.
        plain: write as vLLM does: images in front, then any text, which ends in `plain_end`.
        plain_end: see above.
    """

    layouts: Layouts
    chat: ChatRenderer
    template: str | None = None
    closing: str = ""
    around: Layout = field(default_factory=Layout)
    plain: bool = False
    plain_end: str = field(default="", kw_only=True)

    def is_content(self, messages: Sequence[Message], options: TokenizationOptions) -> bool:
        """Tell whether a conversation is read as its content, not through a chat template."""
        asked = options.chat.template if options.chat is not None else None
        return len(messages) == 1 and asked is None and self.template is None and not self.plain

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
        """Write a text, or images.

        Args:
            text: with the stored prompt that goes in front of it.
            seen: the images.
            role: what it is for.
            options: `add_special_tokens` False leaves out everything that the model puts around.
            from_end: the end of the text is kept where it is cut.
            is_layout: placeholders in the text say where the images stand; else they are refused.

        Raises:
            InvalidRequest: placeholders in the text that stand for no image, text beside an image, or several images.
        """
        if is_layout and seen and PLACEHOLDER in text:
            whole = self.literal(text, seen, from_end=from_end)
            around = Layout() if options.add_special_tokens is False else self.around
            return Written(around.before + whole.before, whole.text, whole.after + around.after)
        check_no_placeholders([text], [PLACEHOLDER])
        if options.add_special_tokens is False:
            return self.literal(PLACEHOLDER * len(seen) + text, seen, from_end=from_end)
        if not seen:
            return _fill(self.layouts.texts[role], text)
        layout = self.layouts.media["image"]
        if self.plain:
            before = layout.before.replace(PLACEHOLDER, PLACEHOLDER * len(seen))
            end = "" if text.endswith(self.plain_end) else self.plain_end
            return self._with_images(Written(before, text, layout.after + end), seen)
        if len(seen) > 1:
            raise InvalidRequest(
                f"This model reads one image per prompt, got {len(seen)}. Send them one by one, or write a 'prompt' "
                f"beside 'multi_modal_data' with {PLACEHOLDER!r} where each image shall stand."
            )
        if text.strip() and text.strip() not in self.layouts.dropped:
            raise InvalidRequest(
                "This model reads a text or an image, not both in one prompt. Leave the text out, send both one after "
                f"the other, or write a whole 'prompt' beside 'multi_modal_data', with {PLACEHOLDER!r} for the image."
            )
        return self._with_images(_fill(layout, ""), seen)

    def render(
        self, messages: Sequence[Message], seen: Sequence[Seen], options: ChatOptions, *, from_end: bool
    ) -> Written:
        """Write a conversation by the chat template, which writes the placeholders.

        Raises:
            InvalidRequest: there is no template, it cannot be filled, or has not one placeholder for each image.
        """
        check_no_placeholders(_texts(messages), [PLACEHOLDER], param="messages")
        if options.template is None and self.template is not None:
            options = replace(options, template=self.template)
        return self.literal(self.chat.render(messages, options), seen, from_end=from_end)

    def literal(self, text: str, seen: Sequence[Seen], *, from_end: bool) -> Written:
        """Take a text as it is; where it is cut, that is behind its last image, or in front of its first one.

        Raises:
            InvalidRequest: there is not one placeholder for each image.
        """
        found = [match.span() for match in re.finditer(re.escape(PLACEHOLDER), text)]
        if len(found) != len(seen):
            raise InvalidRequest(
                f"The prompt has {len(found)} placeholders {PLACEHOLDER!r} for {len(seen)} images; each needs exactly "
                "one."
            )
        if not found:
            return Written("", text, "")
        if from_end:
            start = found[0][0]
            return self._with_images(Written("", text[:start], text[start:]), seen)
        end = found[-1][1]
        return self._with_images(Written(text[:end], text[end:], ""), seen)

    def _with_images(self, written: Written, seen: Sequence[Seen]) -> Written:
        """Write a placeholder for each tile of an image, with the marks of the model around."""
        waiting = iter(seen)

        def tiles(_: re.Match[str]) -> str:
            return "".join(f"{mark}{PLACEHOLDER}" for mark in next(waiting).moments) + self.closing

        pattern = re.compile(re.escape(PLACEHOLDER))
        return Written(pattern.sub(tiles, written.before), written.text, pattern.sub(tiles, written.after))


def _fill(layout: Layout, text: str) -> Written:
    return Written(layout.before + (layout.gap if text else ""), text, layout.after)


def _texts(messages: Sequence[Message]) -> list[str]:
    texts: list[str] = []
    for message in messages:
        content: Any = message.get("content")
        parts: Sequence[Mapping[str, Any]] = (
            content if isinstance(content, list | tuple) else [{"type": "text", "text": content or ""}]
        )
        texts.extend(str(part.get("text", "")) for part in parts)
    return texts
