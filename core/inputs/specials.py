"""The special tokens that a tokenizer puts around one text."""

from __future__ import annotations

from dataclasses import dataclass

from tokenizers import Tokenizer

__all__ = ["SpecialTokens", "find_special_tokens"]

_PROBES = ("a", "the", "1", ".", "\u4e00")


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """Ids in front of and behind a text."""

    head: tuple[int, ...] = ()
    tail: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.head) + len(self.tail)


def find_special_tokens(rust: Tokenizer) -> SpecialTokens:
    """Find them by encoding a short text with and without, since templates are written in several ways."""
    for probe in _PROBES:
        bare = rust.encode(probe, add_special_tokens=False).ids
        if bare:
            ids = rust.encode(probe).ids
            for start in range(len(ids) - len(bare) + 1):
                if ids[start : start + len(bare)] == bare:
                    return SpecialTokens(tuple(ids[:start]), tuple(ids[start + len(bare) :]))
    return SpecialTokens()
