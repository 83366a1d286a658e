"""One text to token ids, with special tokens and truncation."""

from __future__ import annotations

from dataclasses import dataclass

from cenote.errors import InvalidRequest
from cenote.inputs.budget import Side, TokenBudget, keep_ids, too_long
from cenote.inputs.content import ContentTokenizer
from cenote.inputs.specials import SpecialTokens
from cenote.types import PreparedInput, TokenizationOptions

__all__ = ["TextCutter", "check_unicode"]


@dataclass(frozen=True, slots=True)
class _Cut:
    """Ids after truncation, and how many were removed."""

    ids: tuple[int, ...]
    removed: int = 0


class TextCutter:
    """Encodes single texts; may be used from many threads."""

    def __init__(self, content: ContentTokenizer, budget: TokenBudget) -> None:
        self._content = content
        self._budget = budget

    def encode(self, text: str, specials: SpecialTokens, options: TokenizationOptions) -> PreparedInput:
        """Encode a text as the options say.

        Raises:
            PromptTooLong: more tokens than the model takes, and no truncation asked for.
            InvalidRequest: no tokens are left, or the truncation asked for is not possible.
        """
        keep, most = self._budget.to_keep(options), self._budget.most(options)
        side, keep_specials = options.truncation_side, options.keep_special_tokens
        cut = self.ids(text, specials, keep, side, most, keep_specials=keep_specials)
        self._budget.check(cut.ids, trusted=True)
        return PreparedInput(token_ids=cut.ids, truncated_tokens=cut.removed)

    def ids(
        self,
        text: str,
        specials: SpecialTokens,
        keep: int | None,
        side: Side | None,
        most: int,
        *,
        keep_specials: bool = False,
    ) -> _Cut:
        """Encode a text and keep so many tokens; None refuses a text of more than `most`.

        Raises:
            PromptTooLong: as said.
        """
        limit = most if keep is None else keep
        from_end = keep is not None and (side or self._budget.own_side) == "left"
        # One id more than can fit tells whether the text is too long.
        piece = (self._content.last if from_end else self._content.first)(text, limit + 1)
        total = piece.seen + specials.count
        if total <= limit:
            return _Cut((*specials.head, *piece.ids, *specials.tail))
        if keep is None:
            raise too_long(total, most, exact=piece.exact)
        content = piece.ids
        if (
            side is None or keep_specials
        ):  # as the tokenizer's own truncation: the text makes room for the special tokens
            content = keep_ids(content, max(0, limit - specials.count), from_end=from_end)
        ids = keep_ids([*specials.head, *content, *specials.tail], limit, from_end=from_end)
        return _Cut(tuple(ids), total - len(ids))


def check_unicode(text: str) -> None:
    """Refuse a text with lone surrogates.

    Raises:
        InvalidRequest: as said.
    """
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise InvalidRequest(
            f"The text has a lone surrogate at character {exc.start}; it is not valid Unicode.", param="input"
        ) from exc
