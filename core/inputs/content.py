"""Text to token ids without special tokens: of a whole text, or only of its beginning or end.

A long text is not tokenised whole where only part of it is kept. Ids of the part are those that tokenising the
whole text gives, because the text is cut only where nothing beyond the cut can reach back:

* at a seam (`cenote.inputs.seams`), such as between a letter and a following space, where no piece of the vocabulary
  holds such a pair (BPE, Unigram) or where the text is split there before (WordPiece, WordLevel): every id counts;
* anywhere else: ids count only up to two words (of the tokenizer's own splitting) before the cut, and further back
  by the longest added token and by any run of digits or white space there, which are the farthest that the
  splitting of published tokenizers looks ahead.

Where neither yields enough, the part grows. A word or gap without end is shortened first where that changes no id
(BERT's WordPiece, `cenote.inputs.runs`). With other tokenizers its ids may depend on its last character, so that only
the whole of it would do: there the part grows no further than `ONE_GO` characters and `_CHARS_PER_TOKEN_MOST` more
per id asked for, and the text is refused. Texts of ordinary words, however long, come nowhere near that.

The early refusal of http-api.md section 6, step 1 (more characters than the limit times the longest token, truncation
off) is not used, since it refuses texts that fit: white space and unknown words take few tokens for many characters.
Neither is its cut by characters before tokenising, which changes ids; the bounds above replace both.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from tokenizers import Encoding, Tokenizer
from tokenizers.normalizers import Lowercase
from tokenizers.normalizers import Sequence as NormalizerSequence

from cenote.errors import InvalidRequest
from cenote.inputs.runs import RunShortener
from cenote.inputs.seams import find_cuts

__all__ = ["ONE_GO", "ContentTokenizer", "Piece"]

#: Characters in which a tokenizer without a seam must show enough ids. Texts up to twice as long are taken whole.
ONE_GO = 300_000
#: Ordinary text has fewer characters per token, in every language.
_CHARS_PER_TOKEN_MOST = 16

#: First guess of the text that holds the ids asked for; English has 4 to 5 characters per token.
_CHARS_PER_TOKEN = 5
_SLACK = 128
#: Characters searched backwards for a cut between words.
_SEARCH = 512


@dataclass(frozen=True, slots=True)
class Piece:
    """Ids of a beginning or end of a text.

    Attributes:
        ids: at most as many as asked for.
        seen: tokens of the whole text, or a lower bound of them.
        exact: `seen` is the true number.
        text: the part of the text that was tokenised, with the same ids.
    """

    ids: list[int]
    seen: int
    exact: bool
    text: str


#: Characters up to which a call that keeps the interpreter lock, and takes no other thread, is faster.
_BRIEF = 512


class ContentTokenizer:
    """A private copy of a rust tokenizer that never pads or truncates by itself; safe to use from many threads."""

    def __init__(self, backend: Tokenizer, *, lower_case: bool = False) -> None:
        self.rust: Tokenizer = copy.deepcopy(backend)  # calls of the owner may set truncation on the original
        self.rust.no_truncation()
        self.rust.no_padding()
        if lower_case and not _lower_cases(self.rust.normalizer):
            # As sentence-transformers 6.2 (base/modules/transformer.py): before everything that is there.
            steps = [] if self.rust.normalizer is None else [self.rust.normalizer]
            self.rust.normalizer = NormalizerSequence([Lowercase(), *steps])
        added = [token.content for token in self.rust.get_added_tokens_decoder().values()]
        self._margin = max(map(len, added), default=0) + 1
        self._cuts = find_cuts(self.rust, added)
        self._runs = RunShortener.of(self.rust, added)

    def whole(self, text: str) -> list[int]:
        """Return the ids of a whole text."""
        if len(text) <= _BRIEF:
            return list(self.rust.encode(text, add_special_tokens=False).ids)
        encoding: Encoding = self.rust.encode_batch_fast([text], add_special_tokens=False)[0]
        return list(encoding.ids)

    def first(self, text: str, count: int) -> Piece:
        """Return the first `count` ids.

        Raises:
            InvalidRequest: the text has a run without a seam that is too long to be tokenised.
        """
        piece = self._part(text, count, self._beginning)
        return replace(piece, ids=piece.ids[:count])

    def last(self, text: str, count: int) -> Piece:
        """Return the last `count` ids.

        Raises:
            InvalidRequest: the text has a run without a seam that is too long to be tokenised.
        """
        piece = self._part(text, count, self._end)
        return replace(piece, ids=piece.ids[max(0, len(piece.ids) - count) :])

    def shorten(self, text: str, count: int) -> tuple[str, int]:
        """Return a beginning of the text that has at most `count` ids, cut between characters, and how many went.

        The number is a lower bound where the rest was never tokenised.

        Runs that change no id (`cenote.inputs.runs`) may be shorter in it.

        Raises:
            InvalidRequest: the text has a run without a seam that is too long to be tokenised.
        """
        piece = self._part(text, count + 1, self._beginning)
        if len(piece.ids) <= count:
            return text, 0
        offsets = self.rust.encode(piece.text, add_special_tokens=False).offsets
        for kept in range(count, 0, -1):
            end = offsets[kept - 1][1]
            # Several tokens may share a character, and the ids of an end of a word may differ without the rest of it.
            if offsets[kept][0] >= end and len(self.whole(piece.text[:end])) <= count:
                return piece.text[:end], piece.seen - kept
        return "", piece.seen

    def _part(self, text: str, count: int, take: Callable[[str, int], Piece]) -> Piece:
        """Take ids of a growing part until there are enough; at the latest those of the whole text."""
        most = ONE_GO + _CHARS_PER_TOKEN_MOST * count
        size = count * _CHARS_PER_TOKEN + _SLACK
        while size < len(text) // 2:
            piece = take(text, size)
            if piece.exact or piece.seen >= count:
                return piece
            if size >= most:
                raise _no_seam(len(text), most)
            size = min(most, _grow(size, piece.seen, count))
        return self._all(text)

    def _beginning(self, text: str, size: int) -> Piece:
        """Return the ids of about the first `size` characters that the rest of the text cannot change."""
        head, complete = (text[:size], False) if self._runs is None else self._runs.head(text, size)
        if complete:
            return self._all(head)
        cut = self._find_cut(head, len(head))
        if cut is not None:
            ids = self.whole(head[:cut])
            return Piece(ids, len(ids), False, head[:cut])
        encoding = self.rust.encode(head, add_special_tokens=False)
        limit = _step_back(head, len(head) - self._margin)
        words = encoding.word_ids
        last = next((word for word in reversed(words) if word is not None), 0) - 1
        kept = 0
        for word, (_, end) in zip(words, encoding.offsets, strict=True):
            if end > limit or word is None or word >= last:
                break
            kept += 1
        return Piece(list(encoding.ids[:kept]), kept, False, head)

    def _end(self, text: str, size: int) -> Piece:
        """Return the ids of about the last `size` characters that the text before cannot change."""
        tail, complete = (text[-size:], False) if self._runs is None else self._runs.tail(text, size)
        if complete:
            return self._all(tail)
        seams = iter(()) if self._cuts is None else (match.start() for match in self._cuts.finditer(tail))
        cut = next(seams, None)
        if cut is None:
            return Piece([], 0, False, "")
        # The tokenizer may treat the start of a text specially (a space put in front), which ends at the next seam.
        # Two more let its splitting get into step.
        safe = next((at - cut for at in islice(seams, 2, None) if at - cut > self._margin), len(tail))
        encoding = self.rust.encode(tail[cut:], add_special_tokens=False)
        offsets = encoding.offsets
        skipped = next((index for index, (begin, _) in enumerate(offsets) if begin >= safe), len(offsets))
        ids = list(encoding.ids[skipped:])
        return Piece(ids, len(ids), False, tail[cut:])

    def _all(self, text: str) -> Piece:
        ids = self.whole(text)
        return Piece(ids, len(ids), True, text)

    def _find_cut(self, text: str, at: int) -> int | None:
        """Find the last seam up to `at`, but not far from it."""
        if self._cuts is None:
            return None
        window = self._cuts.finditer(text, max(0, at - _SEARCH), min(len(text), at + 1))
        return max((match.start() for match in window), default=None)


def _grow(size: int, found: int, wanted: int) -> int:
    """Aim 30 % beyond what the ids per character so far suggest, between twice and eight times the size."""
    factor = 1.3 * wanted / found if found else 8.0
    return int(size * min(8.0, max(2.0, factor)))


def _no_seam(length: int, most: int) -> InvalidRequest:
    return InvalidRequest(
        f"The text has {length} characters, and {most} of them in a row have fewer tokens than asked for or no place "
        "where this model's tokenizer could cut them (one endless word or gap). Put spaces between words, or send at "
        f"most {2 * ONE_GO} characters.",
        param="input",
    )


def _step_back(text: str, at: int) -> int:
    """Move to the beginning of a run of white space or digits that ends at `at`."""
    while at > 0 and (text[at - 1].isspace() or text[at - 1].isnumeric()):
        at -= 1
    return at


def _lower_cases(normalizer: Any) -> bool:
    described = str(normalizer)
    return "Lowercase" in described or "lowercase=True" in described
