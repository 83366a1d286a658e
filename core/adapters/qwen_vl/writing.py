"""Written prompts to token ids: what stands around a text is kept, and only the text is cut."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from cenote.errors import InvalidRequest, PromptTooLong
from cenote.inputs.budget import too_long
from cenote.inputs.content import ContentTokenizer
from cenote.inputs.locate import Located, Span
from cenote.inputs.text import check_unicode

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["Room", "Writer", "Written"]

#: Characters up to which the ids of what stands around a text are remembered.
_SHORT = 1000


@dataclass(frozen=True, slots=True)
class Written:
    """A prompt as text.

    Attributes:
        before: in front of the text, kept whole.
        text: what may be cut.
        after: behind the text, kept whole.
    """

    before: str = ""
    text: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Room:
    """How long a prompt may be.

    Attributes:
        tokens: the most.
        media: tokens that media take beyond their placeholders.
        cuts: a longer text is cut; else it is refused.
        from_end: the end of the text is kept, not its beginning.
        reason: how many tokens its media have and how they get fewer, for messages; empty without media.
    """

    tokens: int
    media: int = 0
    cuts: bool = False
    from_end: bool = False
    reason: str = ""

    def too_long(self, found: int, *, exact: bool) -> PromptTooLong:
        """Return the error for a prompt of so many tokens, those of its media included."""
        return too_long(found, self.tokens, exact=exact, reason=self.reason)


class Writer:
    """Tokenises written prompts; keeps no state between calls and may be used from many threads.

    The ids are those of the whole text in one go: what stands around is tokenised for itself only up to a special
    token, across which no tokenizer merges.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._content = ContentTokenizer(tokenizer.backend_tokenizer)
        added = sorted((str(token) for token in tokenizer.added_tokens_decoder.values()), key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, added)) or r"(?!)")
        self._fixed = lru_cache(maxsize=64)(self._content.whole)

    def ids(self, written: Written, room: Room) -> tuple[tuple[int, ...], int]:
        """Return the ids of a prompt, with one placeholder per medium, and how many tokens were cut off.

        Raises:
            PromptTooLong: more tokens than there is room, and the text must not be cut.
            InvalidRequest: what stands around the text takes all the room.
        """
        head, lead = self._split_before(written.before)
        trail, tail = self._split_after(written.after)
        front, back = (self._kept(part, room) for part in (head, tail))
        around = len(front) + len(back)
        left = room.tokens - room.media - around
        glued = lead + written.text + trail
        end = room.cuts and room.from_end
        piece = (self._content.last if end else self._content.first)(glued, max(left, 0) + 1)
        body = piece.ids
        removed = 0
        if piece.seen > left:
            if not room.cuts:
                raise room.too_long(piece.seen + around + room.media, exact=piece.exact)
            body = self._cut(lead, written.text, trail, left, from_end=end)
            removed = piece.seen - len(body)
        return (*front, *body, *back), removed

    def _kept(self, part: str, room: Room) -> list[int]:
        """Return the ids of what is kept whole. That of a layout is short; a caller's own may have any length.

        Raises:
            PromptTooLong: there is no room for it, and nothing may be cut.
            InvalidRequest: there is none although the text may be cut.
        """
        if len(part) <= _SHORT:
            return self._fixed(part)
        piece = self._content.first(part, room.tokens + 1)
        if piece.seen > room.tokens:
            raise _no_room() if room.cuts else room.too_long(piece.seen + room.media, exact=False)
        return piece.ids

    def _cut(self, lead: str, text: str, trail: str, left: int, *, from_end: bool) -> list[int]:
        """Return ids of a text that leave room for what is glued to it."""
        front = self._content.whole(lead.rstrip(" "))
        back = self._content.whole(trail)
        most = left - len(front) - len(back)
        if most < 1:
            raise _no_room()
        if from_end:
            return [*front, *self._content.last(text, most).ids, *back]
        # The first word may be one token with the white space in front of it, so that both are read together.
        return [*self._content.first(lead + text, len(front) + most).ids, *back]

    def locate(self, written: Written, text: str, *, prefix: int) -> Located:
        """Return the tokens of a prompt without media, and which characters of a text each stands for.

        Args:
            written: the prompt.
            text: the text before white space was removed from it.
            prefix: characters of `text` that were put in front of the caller's.
        """
        check_unicode(text)
        head, lead = self._split_before(written.before)
        trail, tail = self._split_after(written.after)
        encoding = self._content.rust.encode(lead + written.text + trail, add_special_tokens=False)
        front, back = self._fixed(head), self._fixed(tail)
        shift = text.find(written.text) - len(lead)
        spans = [_within(start, end, len(lead), len(lead) + len(written.text)) for start, end in encoding.offsets]
        moved = [span and (span[0] + shift, span[1] + shift) for span in spans]
        return Located(
            ids=(*front, *encoding.ids, *back),
            spans=(*[None] * len(front), *moved, *[None] * len(back)),
            text=text,
            prefix=prefix,
        )

    def _split_before(self, text: str) -> tuple[str, str]:
        end = max((match.end() for match in self._special.finditer(text)), default=0)
        return text[:end], text[end:]

    def _split_after(self, text: str) -> tuple[str, str]:
        found = self._special.search(text)
        start = len(text) if found is None else found.start()
        return text[:start], text[start:]


def _no_room() -> InvalidRequest:
    return InvalidRequest(
        "Truncation leaves no room for the text beside what stands around it and the images. Raise "
        "truncate_prompt_tokens, or make the images smaller.",
        param="truncate_prompt_tokens",
    )


def _within(start: int, end: int, first: int, last: int) -> Span:
    """Return the part of a span within others, or None where there is none."""
    start, end = max(start, first), min(end, last)
    return (start, end) if start < end else None
