"""What is done to a text before it is tokenised, and where its characters were before."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from cenote.inputs import Located

__all__ = ["Cleaning"]


@dataclass(frozen=True, slots=True)
class Cleaning:
    """Removes white space at both ends, and lower-cases.

    Attributes:
        strips: do the first.
        lowers: do the second.

    Source: `Transformer.tokenize` of sentence-transformers 5.3, below PyLate.
    """

    strips: bool = False
    lowers: bool = False

    def __call__(self, text: str) -> str:
        """Return the text as it is tokenised."""
        text = text.strip() if self.strips else text
        return text.lower() if self.lowers else text

    def locate(self, text: str, prefix: str, locate: Callable[[str], Located]) -> Located:
        """Return the tokens of a text as they lie in the text before it was cleaned.

        Args:
            text: the caller's.
            prefix: what is put in front of it.
            locate: finds the tokens of a cleaned text.
        """
        whole = prefix + text
        stripped = whole.strip() if self.strips else whole
        lead = whole.find(stripped) if stripped else 0
        found = locate(self(whole))
        starts: Sequence[int] = range(len(stripped) + 1)
        if self.lowers and len(found.text) != len(stripped):  # some letters have two as their small form
            starts = list(accumulate((len(letter.lower()) for letter in stripped), initial=0))
        spans = (
            span and (lead + bisect_right(starts, span[0]) - 1, lead + bisect_left(starts, span[1]))
            for span in found.spans
        )
        return Located(ids=found.ids, spans=tuple(spans), text=whole, prefix=len(prefix))
