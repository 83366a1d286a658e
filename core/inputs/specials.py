"""The special tokens that a tokenizer puts around one text, and around and between two."""

from __future__ import annotations

from dataclasses import dataclass

from tokenizers import Tokenizer

from cenote.errors import CheckpointError

__all__ = ["PairLayout", "SpecialTokens", "find_pair_layout", "find_special_tokens"]

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


@dataclass(frozen=True, slots=True)
class PairLayout:
    """What a tokenizer makes of two texts: head, first text, middle, second text, tail, and the segment ids of each.

    Attributes:
        head: ids in front of the first text.
        middle: ids between the two.
        tail: ids behind the second.
        head_types: segment ids of `head`, and so on.
        first_type: segment id of every token of the first text.
        second_type: the same of the second.
    """

    head: tuple[int, ...] = ()
    middle: tuple[int, ...] = ()
    tail: tuple[int, ...] = ()
    head_types: tuple[int, ...] = ()
    middle_types: tuple[int, ...] = ()
    tail_types: tuple[int, ...] = ()
    first_type: int = 0
    second_type: int = 1

    @property
    def count(self) -> int:
        """How many special tokens there are."""
        return len(self.head) + len(self.middle) + len(self.tail)

    def ids(self, first: list[int], second: list[int]) -> list[int]:
        """Return the ids of two texts together."""
        return [*self.head, *first, *self.middle, *second, *self.tail]

    def types(self, first: int, second: int) -> list[int]:
        """Return the segment ids of texts of so many tokens."""
        texts = [self.first_type] * first, [self.second_type] * second
        return [*self.head_types, *texts[0], *self.middle_types, *texts[1], *self.tail_types]


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


def find_pair_layout(rust: Tokenizer) -> PairLayout:
    """Find it by encoding two short texts together and alone.

    Raises:
        CheckpointError: the tokenizer does more to two texts than put tokens around and between them.
    """
    pairs = ((first, second) for first in _PROBES for second in _PROBES if first != second)
    found = next(filter(None, (_between(rust, *pair) for pair in pairs)), PairLayout())
    expected = rust.num_special_tokens_to_add(True)
    if found.count != expected:
        raise CheckpointError(
            f"The tokenizer adds {expected} special tokens to a pair of texts, of which {found.count} were found "
            "around and between them. cenote cannot encode pairs for such a tokenizer; check the post_processor of "
            "tokenizer.json."
        )
    return found


def _between(rust: Tokenizer, first: str, second: str) -> PairLayout | None:
    bare = [rust.encode(text, add_special_tokens=False).ids for text in (first, second)]
    encoding = rust.encode(first, second)
    ids, types = encoding.ids, encoding.type_ids
    if not all(bare) or bare[0] == bare[1]:
        return None
    start = _find(ids, bare[0], 0)
    end = start + len(bare[0])
    again = _find(ids, bare[1], end)
    last = again + len(bare[1])
    if start < 0 or again < 0 or len(set(types[start:end])) > 1 or len(set(types[again:last])) > 1:
        return None
    return PairLayout(
        head=tuple(ids[:start]),
        middle=tuple(ids[end:again]),
        tail=tuple(ids[last:]),
        head_types=tuple(types[:start]),
        middle_types=tuple(types[end:again]),
        tail_types=tuple(types[last:]),
        first_type=types[start],
        second_type=types[again],
    )


def _find(ids: list[int], part: list[int], start: int) -> int:
    places = range(start, len(ids) - len(part) + 1)
    return next((at for at in places if ids[at : at + len(part)] == part), -1)


def _around(rust: Tokenizer, probe: str) -> SpecialTokens | None:
    bare = rust.encode(probe, add_special_tokens=False).ids
    ids = rust.encode(probe).ids
    start = _find(ids, bare, 0) if bare else -1
    return None if start < 0 else SpecialTokens(tuple(ids[:start]), tuple(ids[start + len(bare) :]))
