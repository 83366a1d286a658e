"""The special tokens that a tokenizer puts around one text."""

from __future__ import annotations

from dataclasses import dataclass

from tokenizers import Tokenizer

from cenote.errors import CheckpointError

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
    """Find them by encoding a short text with and without, since templates are written in several ways.

    Raises:
        CheckpointError: the tokenizer does more to a text than put tokens around it.
    """
    found = next(filter(None, (_around(rust, probe) for probe in _PROBES)), SpecialTokens())
    expected = rust.num_special_tokens_to_add(False)
    if found.count != expected:
        raise CheckpointError(
            f"The tokenizer adds {expected} special tokens to a text, of which {found.count} were found around it. "
            "cenote cannot cut texts for such a tokenizer; check the post_processor of tokenizer.json."
        )
    return found


def _around(rust: Tokenizer, probe: str) -> SpecialTokens | None:
    bare = rust.encode(probe, add_special_tokens=False).ids
    ids = rust.encode(probe).ids
    for start in range(len(ids) - len(bare) + 1) if bare else ():
        if ids[start : start + len(bare)] == bare:
            return SpecialTokens(tuple(ids[:start]), tuple(ids[start + len(bare) :]))
    return None
