"""Places where a text may be cut so that the ids on either side do not change."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tokenizers import Tokenizer

__all__ = ["find_cuts"]


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
#: Letters of other scripts, which stay one or more letters in every normal form: Latin, Greek, Cyrillic, Armenian,
#: Hebrew, Arabic, Devanagari, Thai, Georgian, Japanese and Chinese, Hangul.
_LETTERS = (
    "\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u013e\u0141-\u0148\u014a-\u01c3\u0388-\u03ce\u0400-\u0481\u048a-\u052f"
    "\u0561-\u0586\u05d0-\u05ea\u0620-\u064a\u0905-\u0939\u0e01-\u0e30\u10d0-\u10f0" + _CJK + "\uac00-\ud7a3"
)
#: Marks that those letters decompose into.
_COMBINING = "\u0300-\u036f\u0653-\u0655\u093c\u3099\u309a"
#: How byte-level vocabularies write the bytes that such a letter ends in: 0x80 to 0xBF.
_LAST_BYTES = "\u00a1-\u00bf\u0122-\u0143"
_SEAMS = (
    # sentencepiece writes a space as U+2581, byte-level vocabularies space and newline as U+0120 and U+010A.
    _Seam(
        cut="(?<=[A-Za-z0-9])(?=[ \\n])",
        piece=re.compile("[A-Za-z0-9][ \\n\u2581\u0120\u010a]"),
        probe="ab cd\nef",
        words=("ab", "cd", "ef"),
    ),
    _Seam(
        cut=f"(?<=[{_LETTERS}])(?=[ \\n])",
        # Normal forms may leave other letters, or marks: none may stand before a space.
        piece=re.compile(f"(?:[^\\W_]|[{_COMBINING}])[ \\n\u2581]|[{_LAST_BYTES}][ \\n\u0120\u010a]"),
        probe="\u043e\u0434 \u3042\n\u0e01",
        words=("\u043e\u0434", "\u3042", "\u0e01"),
    ),
    *(
        _Seam(
            cut=f"(?<=[A-Za-z0-9])(?=[{mark}])",
            piece=re.compile(f"[A-Za-z0-9][{mark}]"),
            probe=f"ab{mark}cd",
            words=("ab", mark, "cd"),
        )
        for mark in '",.:;'
    ),
    # NFKC turns wide marks into ASCII ones; in byte-level vocabularies marks end in, and characters begin with, these.
    _Seam(
        cut=f"(?<=[{_MARKS}])(?=[{_CJK}])",
        piece=re.compile(f"[{_MARKS}!,:;?][{_CJK}]|[\u0123\u0124\u012e\u013c\u013d\u0141][\u00e3-\u00e9]"),
        probe="\u4e00\u3002\u4e00\uff0c\u3042",
        words=("\u4e00", "\u3002", "\u4e00", "\uff0c", "\u3042"),
    ),
    # The other side of such a mark, for tokenizers as Qwen's whose pieces may begin with one. In bytes a character of
    # three is followed by a mark or by the beginning of one; a piece may begin with the end of the character.
    _Seam(
        cut=f"(?<=[{_CJK}])(?=[{_MARKS}])",
        piece=re.compile(
            f"[{_CJK}\u3099\u309a][{_MARKS}!,:;?]"
            f"|(?:[\u00e3-\u00e9][{_LAST_BYTES}]{{2}}|^[{_LAST_BYTES}]{{1,2}})"
            "(?:\u00e3(?:$|\u0122(?:$|[\u0123\u0124]))|\u00ef(?:$|\u00bc))"
        ),
        probe="\u4e00\u3002\u4e00\uff0c\u3042",
        words=("\u4e00", "\u3002", "\u4e00", "\uff0c", "\u3042"),
    ),
    # BERT makes every Chinese character a word.
    _Seam(
        cut="(?<=[\u4e00-\u9fff])(?=[\u4e00-\u9fff])",
        piece=re.compile(f"[\u4e00-\u9fff]{{2}}|[{_LAST_BYTES}][\u00e4-\u00e9]"),
        probe="\u4e00\u4e8c\u9fa5",
        words=("\u4e00", "\u4e8c", "\u9fa5"),
    ),
)


def find_cuts(rust: Tokenizer, added: list[str]) -> re.Pattern[str] | None:
    """Return a pattern of width 0 that matches where texts may be cut for a tokenizer; None where nowhere.

    Args:
        rust: the tokenizer.
        added: its added tokens.
    """
    usable = [seam.cut for seam in _SEAMS if _is_safe(seam, rust, added)]
    return re.compile("|".join(usable)) if usable else None


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
