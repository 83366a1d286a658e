"""Text to token ids without special tokens: of a whole text, or only of its beginning or end.

A long text is not tokenised whole where only part of it is kept. Ids of the part are those that tokenising the
whole text gives, because the text is cut only where nothing beyond the cut can reach back:

* between an ASCII letter or digit and a following space or newline, or between a Chinese or Japanese punctuation
  mark and a following character, where no piece of the vocabulary holds such a pair (BPE, Unigram) or where the text
  is split there before (WordPiece, WordLevel): every id counts;
* anywhere else: ids count only up to two words (of the tokenizer's own splitting) before the cut, and further back
  by the longest added token and by any run of digits or white space there, which are the farthest that the
  splitting of published tokenizers looks ahead.

Where neither yields enough (one endless word, say), the part grows until it is the whole text.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import Any

from tokenizers import Encoding, Tokenizer
from tokenizers.normalizers import Lowercase
from tokenizers.normalizers import Sequence as NormalizerSequence

__all__ = ["ContentTokenizer", "Piece"]

#: First guess of the text that holds the ids asked for; English has 4 to 5 characters per token.
_CHARS_PER_TOKEN = 5
_SLACK = 128
#: Characters searched backwards for a cut between words.
_SEARCH = 512


@dataclass(frozen=True, slots=True)
class _Seam:
    """Pairs of characters between which a text may be cut.

    Attributes:
        cut: matches, with width 0, between the two.
        piece: finds such a pair inside a piece of a vocabulary, in every way of writing it.
        probe: a text with such pairs.
        words: what a tokenizer that splits there makes of it.
    """

    cut: str
    piece: re.Pattern[str]
    probe: str
    words: tuple[str, ...]


_MARKS = "\u3001\u3002\uff01\uff0c\uff1a\uff1b\uff1f"
_CJK = "\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff"  # no combining mark among them
_SEAMS = (
    # sentencepiece writes a space as U+2581, byte-level vocabularies space and newline as U+0120 and U+010A.
    _Seam(
        cut="(?<=[A-Za-z0-9])(?=[ \\n])",
        piece=re.compile("[A-Za-z0-9][ \\n\u2581\u0120\u010a]"),
        probe="ab cd\nef",
        words=("ab", "cd", "ef"),
    ),
    # NFKC turns wide marks into ASCII ones; in byte-level vocabularies marks end in, and characters begin with, these.
    _Seam(
        cut=f"(?<=[{_MARKS}])(?=[{_CJK}])",
        piece=re.compile(f"[{_MARKS}!,:;?][{_CJK}]|[\u0123\u0124\u012e\u013c\u013d\u0141][\u00e3-\u00e9]"),
        probe="\u4e00\u3002\u4e00\uff0c\u3042",
        words=("\u4e00", "\u3002", "\u4e00", "\uff0c", "\u3042"),
    ),
)


@dataclass(frozen=True, slots=True)
class Piece:
    """Ids of a beginning or end of a text.

    Attributes:
        ids: at most as many as asked for.
        seen: tokens of the whole text, or a lower bound of them.
        exact: `seen` is the true number.
    """

    ids: list[int]
    seen: int
    exact: bool


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
        usable = [seam.cut for seam in _SEAMS if _is_safe(seam, self.rust, added)]
        self._cuts = re.compile("|".join(usable)) if usable else None

    def whole(self, text: str) -> list[int]:
        """Return the ids of a whole text."""
        encoding: Encoding = self.rust.encode_batch_fast([text], add_special_tokens=False)[0]
        return list(encoding.ids)

    def first(self, text: str, count: int) -> Piece:
        """Return the first `count` ids."""
        size = count * _CHARS_PER_TOKEN + _SLACK
        while size < len(text) // 2:
            ids = self._beginning(text, size)
            if len(ids) >= count:
                return Piece(ids[:count], len(ids), exact=False)
            size = _grow(size, len(ids), count)
        ids = self.whole(text)
        return Piece(ids[:count], len(ids), exact=True)

    def last(self, text: str, count: int) -> Piece:
        """Return the last `count` ids."""
        size = count * _CHARS_PER_TOKEN + _SLACK
        while size < len(text) // 2:
            ids = self._end(text, size)
            if len(ids) >= count:
                return Piece(ids[len(ids) - count :], len(ids), exact=False)
            size = _grow(size, len(ids), count)
        ids = self.whole(text)
        return Piece(ids[max(0, len(ids) - count) :], len(ids), exact=True)

    def _beginning(self, text: str, size: int) -> list[int]:
        """Return the ids of about the first `size` characters that the rest of the text cannot change."""
        cut = self._find_cut(text, size)
        if cut is not None:
            return self.whole(text[:cut])
        encoding = self.rust.encode(text[:size], add_special_tokens=False)
        limit = _step_back(text, size - self._margin)
        words = encoding.word_ids
        last = next((word for word in reversed(words) if word is not None), 0) - 1
        kept = 0
        for word, (_, end) in zip(words, encoding.offsets, strict=True):
            if end > limit or word is None or word >= last:
                break
            kept += 1
        return list(encoding.ids[:kept])

    def _end(self, text: str, size: int) -> list[int]:
        """Return the ids of about the last `size` characters that the text before cannot change."""
        cut = self._find_cut(text, len(text) - size)
        if cut is None:
            return []
        encoding = self.rust.encode(text[cut:], add_special_tokens=False)
        # The tokenizer may treat the start of a text specially (a space put in front), which the first words absorb.
        words = encoding.word_ids
        skipped = 0
        for word, (begin, _) in zip(words, encoding.offsets, strict=True):
            if begin > self._margin and word is not None and word >= 2:
                break
            skipped += 1
        return list(encoding.ids[skipped:])

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


def _step_back(text: str, at: int) -> int:
    """Move to the beginning of a run of white space or digits that ends at `at`."""
    while at > 0 and (text[at - 1].isspace() or text[at - 1].isnumeric()):
        at -= 1
    return at


def _lower_cases(normalizer: Any) -> bool:
    described = str(normalizer)
    return "Lowercase" in described or "lowercase=True" in described


def _is_safe(seam: _Seam, rust: Tokenizer, added: list[str]) -> bool:
    """Tell whether no token can hold characters from both sides of a seam."""
    if any(map(seam.piece.search, added)):
        return False
    if type(rust.model).__name__ in ("BPE", "Unigram"):
        return not any(map(seam.piece.search, rust.get_vocab(with_added_tokens=False)))
    if rust.pre_tokenizer is None:
        return False
    text = seam.probe if rust.normalizer is None else rust.normalizer.normalize_str(seam.probe)
    return [word for word, _ in rust.pre_tokenizer.pre_tokenize_str(text)] == [*seam.words]
