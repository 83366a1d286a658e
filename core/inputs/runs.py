"""Very long words and gaps made short, where a tokenizer is known not to tell the difference.

WordPiece answers one unknown token for every word of more than `max_input_chars_per_word` characters, and BERT's
splitting drops white space. The middle of a run of letters, or of white space, therefore has no effect on any id
once enough of both its ends stays: more than that limit, and more than the longest added token, which may overlap an
end of the run. Runs hold only characters of which BERT's normalisers make at least one character each that neither
splits a word nor is removed.

Source: tokenizers 0.23, models/wordpiece, normalizers/bert.rs and pre_tokenizers/bert.rs.
"""

from __future__ import annotations

import json
import re
from typing import Any

from tokenizers import Tokenizer

__all__ = ["RunShortener"]

#: Letters of ASCII, Latin-1, Cyrillic, kana and Hangul: no marks, nothing unassigned, nothing that is split off.
_WORD = "0-9A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff\u0400-\u0481\u3041-\u3096\u30a1-\u30fa\uac00-\ud7a3"
_SPACE = " \\t\\n\\r"
_NORMALIZERS = frozenset({"BertNormalizer", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "StripAccents"})
#: Every added token must hold such a character, so that none can lie within a run.
_MARK = re.compile(r"[!-/:-@\[-`{-~]")
_CHUNK = 1 << 16


class RunShortener:
    """Gives the beginning or the end of a text with its long runs shortened; every id stays as it was."""

    def __init__(self, half: int) -> None:
        """Prepare patterns.

        Args:
            half: characters kept at either end of a run, more than a word may have.
        """
        self._half = half
        least = 2 * half + 1
        self._window = 64 * least
        self._run = re.compile(f"(?<![{_WORD}])[{_WORD}]{{{least},}}|(?<![{_SPACE}])[{_SPACE}]{{{least},}}")
        self._same = re.compile(f"[{_WORD}]+|[{_SPACE}]+")

    @classmethod
    def of(cls, rust: Tokenizer, added: list[str]) -> RunShortener | None:
        """Return the shortener for a tokenizer, or None where every character may count."""
        if type(rust.model).__name__ != "WordPiece" or type(rust.pre_tokenizer).__name__ != "BertPreTokenizer":
            return None
        if not _normalizer_names(rust.normalizer) <= _NORMALIZERS or not all(map(_MARK.search, added)):
            return None
        longest_word: int = rust.model.max_input_chars_per_word
        return cls(longest_word + max(map(len, added), default=0) + 1)

    def head(self, text: str, size: int) -> tuple[str, bool]:
        """Return about the first `size` characters of the shortened text, and whether they are all of it."""
        parts: list[str] = []
        left, at = size, 0
        while left > 0 and at < len(text):
            stop = min(len(text), at + left)
            run = self._run.search(text, at, stop)
            begin = stop if run is None else run.start() + self._half
            parts.append(text[at:begin])
            left -= begin - at
            at = begin
            if run is not None:
                same = self._same.match(text, at)
                at = (same.end() if same else at) - self._half
                parts.append(text[at : at + self._half])
                at, left = at + self._half, left - self._half
        return "".join(parts), at >= len(text)

    def tail(self, text: str, size: int) -> tuple[str, bool]:
        """Return about the last `size` characters of the shortened text, and whether they are all of it."""
        parts: list[str] = []  # each reversed: patterns run forwards only
        left, at = size, len(text)
        while left > 0 and at > 0:
            start = max(0, at - min(left, self._window))
            window = text[start:at][::-1]
            run = self._run.search(window)
            kept = len(window) if run is None else run.start() + self._half
            parts.append(window[:kept])
            left -= kept
            at -= kept
            if run is not None:
                at = self._run_start(text, at)
                parts.append(text[at : at + self._half][::-1])
                left -= self._half
        return "".join(parts)[::-1], at <= 0

    def _run_start(self, text: str, end: int) -> int:
        """Find where the run begins that holds the character before `end`."""
        kind = text[end - 1].isspace()
        while end > 0:
            chunk = text[max(0, end - _CHUNK) : end][::-1]
            same = self._same.match(chunk)
            if same is None or chunk[0].isspace() is not kind:
                break
            end -= same.end()
        return end


def _normalizer_names(normalizer: Any) -> set[str]:
    """List the kinds of a normalizer's steps; of one written in Python only that it is such a one."""
    if normalizer is None:
        return set()
    try:
        described = json.loads(normalizer.__getstate__())
    except Exception:  # a custom normalizer cannot be written down, and says so with a bare Exception
        return {"Custom"}
    steps = described.get("normalizers", [described])
    return {str(step.get("type")) for step in steps}
