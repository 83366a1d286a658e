"""Two texts that a model reads together: special tokens, segment ids and truncation."""

from __future__ import annotations

from functools import cached_property

from cenote.inputs.budget import TokenBudget, keep_ids, too_long
from cenote.inputs.content import ContentTokenizer, Piece
from cenote.inputs.specials import PairLayout, find_pair_layout
from cenote.types import PreparedInput, TokenizationOptions

__all__ = ["PairEncoder", "longest_first"]


class PairEncoder:
    """Encodes pairs of texts as the model's tokenizer does; may be used from many threads."""

    def __init__(self, content: ContentTokenizer, budget: TokenBudget, *, with_types: bool) -> None:
        """Prepare.

        Args:
            content: the tokenizer.
            budget: the model's limits.
            with_types: the model reads segment ids.
        """
        self._content = content
        self._budget = budget
        self._with_types = with_types

    @cached_property
    def _layout(self) -> PairLayout:
        return find_pair_layout(self._content.rust)

    def encode(self, first: str, second: str, options: TokenizationOptions) -> PreparedInput:
        """Encode two texts.

        Without a side in the options, truncation is transformers' `longest_first`: special tokens stay, and the
        longer text is cut first. An explicit side slices the final ids, as for single texts, unless the options keep
        special tokens.

        Raises:
            PromptTooLong: more tokens than the model takes, and no truncation asked for.
            CheckpointError: the tokenizer makes of pairs what cenote cannot.
        """
        layout = self._layout if options.add_special_tokens is not False else PairLayout()
        keep, side = self._budget.to_keep(options), options.truncation_side
        limit = self._budget.most(options) if keep is None else keep
        from_end = keep is not None and (side or self._budget.own_side) == "left"
        part = self._content.last if from_end else self._content.first
        pieces = part(first, limit + 1), part(second, limit + 1)
        total = pieces[0].seen + pieces[1].seen + layout.count
        if total <= limit:
            return self._result(layout, pieces[0].ids, pieces[1].ids, total, from_end, total)
        if keep is None:
            raise too_long(total, limit, exact=pieces[0].exact and pieces[1].exact)
        ids = pieces[0].ids, pieces[1].ids
        if side is None or options.keep_special_tokens:
            kept = self._share(first, second, pieces, max(0, limit - layout.count))
            ids = keep_ids(ids[0], kept[0], from_end=from_end), keep_ids(ids[1], kept[1], from_end=from_end)
        return self._result(layout, *ids, limit, from_end, total)

    def _share(self, first: str, second: str, pieces: tuple[Piece, Piece], room: int) -> tuple[int, int]:
        lengths = pieces[0].seen, pieces[1].seen
        if min(lengths) > room and room % 2 and not (pieces[0].exact and pieces[1].exact):
            # The longer text gets the odd token.
            longer = self._is_longer(first, second, max(lengths))
            lengths = (room + 2, room + 1) if longer else (room + 1, room + 1)
        return longest_first(*lengths, room)

    def _is_longer(self, first: str, second: str, count: int) -> bool:
        """Tell whether the first text has more tokens, tokenising no more than about the shorter one."""
        while True:
            count *= 4
            one, other = self._content.first(first, count), self._content.first(second, count)
            if one.exact and (other.exact or other.seen >= one.seen):
                return one.seen > other.seen
            if other.exact and one.seen > other.seen:
                return True

    def _result(
        self, layout: PairLayout, first: list[int], second: list[int], limit: int, from_end: bool, total: int
    ) -> PreparedInput:
        ids = keep_ids(tuple(layout.ids(first, second)), limit, from_end=from_end)
        self._budget.check(ids, trusted=True)
        types: tuple[int, ...] | None = None
        if self._with_types:
            types = keep_ids(tuple(layout.types(len(first), len(second))), limit, from_end=from_end)
        return PreparedInput(
            token_ids=ids,
            token_type_ids=types if types and any(types) else None,
            truncated_tokens=total - len(ids),
        )


def longest_first(first: int, second: int, room: int) -> tuple[int, int]:
    """Share room among two texts: the shorter stays whole if it can, else both get half.

    Args:
        first: tokens of the first text.
        second: tokens of the second.
        room: tokens that may be kept of both together.

    Returns:
        Tokens to keep of each.

    Source: `truncate_encodings` of tokenizers 0.22 (utils/truncation.rs), `LongestFirst`.
    """
    if first + second <= room:
        return first, second
    short, long = sorted((first, second))
    if 2 * short > room:
        short, long = room // 2, room - room // 2
    else:
        long = room - short
    return (long, short) if first > second else (short, long)
