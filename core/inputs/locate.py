"""Which characters of a text each of its tokens stands for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from cenote.inputs.content import ContentTokenizer
from cenote.inputs.specials import SpecialTokens

__all__ = ["Located", "Span", "locate"]

#: Start and end of a token in a text, in characters; None for a token that was put around the text.
Span: TypeAlias = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Located:
    """The tokens of a whole text, none of them cut off.

    Attributes:
        ids: special tokens included.
        spans: one for each id.
        text: what was tokenised: what is put in front, then the caller's text.
        prefix: characters of `text` that were put in front.
    """

    ids: tuple[int, ...]
    spans: tuple[Span, ...]
    text: str
    prefix: int = 0

    def own_spans(self) -> list[Span]:
        """Return the spans as they lie in the caller's text; what lies in front of it has none."""
        spans = (span if span is None or span[1] > self.prefix else None for span in self.spans)
        return [span and (max(0, span[0] - self.prefix), span[1] - self.prefix) for span in spans]


def locate(content: ContentTokenizer, specials: SpecialTokens, text: str, *, prefix: str = "") -> Located:
    """Tokenise a text with its tokens' places.

    Args:
        content: the tokenizer.
        specials: what is put around the text.
        text: the caller's.
        prefix: what is put in front of it.
    """
    whole = prefix + text
    encoding = content.rust.encode(whole, add_special_tokens=False)
    head: list[Span] = [None] * len(specials.head)
    tail: list[Span] = [None] * len(specials.tail)
    return Located(
        ids=(*specials.head, *encoding.ids, *specials.tail),
        spans=(*head, *encoding.offsets, *tail),
        text=whole,
        prefix=len(prefix),
    )
