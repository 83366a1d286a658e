"""Prompts to the token ids that a model sees: tokenise, truncate, check (http-api.md section 6)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from cenote.errors import InvalidRequest, PromptTooLong
from cenote.inputs.chunks import encode_chunks
from cenote.inputs.content import ContentTokenizer
from cenote.inputs.specials import SpecialTokens, find_special_tokens
from cenote.types import PreparedInput, Prompt, TokenizationOptions

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["TextEncoder"]

Side: TypeAlias = Literal["left", "right"]
IdsT = TypeVar("IdsT", list[int], tuple[int, ...])


@dataclass(frozen=True, slots=True)
class _Cut:
    """Ids after truncation, and how many were removed."""

    ids: tuple[int, ...]
    removed: int = 0


class TextEncoder:
    """Encodes prompts for one model. Keeps no state between calls and may be used from many threads.

    Attributes:
        max_tokens: longest prompt, special tokens included.
        max_token_id: largest id that the model's embedding table and the tokenizer know.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_tokens: int,
        vocab_size: int | None = None,
        lower_case: bool = False,
        include_prompt: bool = True,
    ) -> None:
        """Prepare a private copy of the tokenizer.

        Args:
            tokenizer: a fast tokenizer; its stored truncation and padding are not used, and it is not changed.
            max_tokens: longest prompt, special tokens included.
            vocab_size: rows of the model's embedding table; None trusts the tokenizer.
            lower_case: lower-case the text first (`do_lower_case` of the Sentence-Transformers files).
            include_prompt: False reports how many leading tokens a prefix takes, so that pooling can skip them.
        """
        self.max_tokens = max_tokens
        self._content = ContentTokenizer(tokenizer.backend_tokenizer, lower_case=lower_case)
        largest = max(self._content.rust.get_vocab(with_added_tokens=True).values(), default=0)
        self.max_token_id = largest if vocab_size is None else vocab_size - 1
        self._ids_may_exceed = largest > self.max_token_id
        self._specials = find_special_tokens(self._content.rust)
        self._all_special_ids = frozenset(tokenizer.all_special_ids)
        self._own_side: Side = "left" if tokenizer.truncation_side == "left" else "right"
        self._include_prompt = include_prompt
        self._prefix_tokens = lru_cache(maxsize=64)(self._count_prefix_tokens)

    def encode(self, prompt: Prompt, options: TokenizationOptions, *, prefix: str = "") -> PreparedInput:
        """Turn one prompt into ids.

        Args:
            prompt: text, or ids (which are taken as they are: no special tokens, no prefix).
            options: special tokens and truncation.
            prefix: text put in front of the prompt's text, as sentence-transformers puts a stored prompt.

        Raises:
            PromptTooLong: more than `max_tokens` tokens (the options' where they say, else the model's), and no
                truncation asked for. Prompts with `chunk_ends` have no limit here: the engine runs them in parts.
            InvalidRequest: no tokens are left, an id is out of vocabulary, the text is not valid Unicode, or the
                truncation asked for is not possible.
        """
        most = options.max_tokens or self.max_tokens
        keep = _tokens_to_keep(options, most)
        if prompt.token_ids is not None:
            return self._encode_ids(prompt.token_ids, prompt.token_type_ids, keep, options.truncation_side, most)
        text = prefix + (prompt.text or "")
        _check_unicode(text)
        add_special_tokens = options.add_special_tokens is not False
        specials = self._specials if add_special_tokens else SpecialTokens()
        if prompt.chunk_ends:
            return self._encode_chunks(prompt, specials, prefix)
        cut = self._encode_text(text, specials, keep, options.truncation_side, most)
        self._check(cut.ids, trusted=not self._ids_may_exceed)
        skip = 0
        if prefix and not self._include_prompt:
            skip = min(self._prefix_tokens(prefix, add_special_tokens), len(cut.ids))
        return PreparedInput(
            token_ids=cut.ids,
            pooling_skip=skip,
            truncated_tokens=cut.removed,
        )

    def _encode_chunks(self, prompt: Prompt, specials: SpecialTokens, prefix: str) -> PreparedInput:
        prepared = encode_chunks(self._content, specials, prompt, size=self.max_tokens, prefix=prefix)
        self._check(prepared.token_ids, trusted=not self._ids_may_exceed)
        skip = 0 if self._include_prompt or not prefix else self._prefix_tokens(prefix, specials.count > 0)
        return replace(prepared, pooling_skip=skip)

    def _encode_text(self, text: str, specials: SpecialTokens, keep: int | None, side: Side | None, most: int) -> _Cut:
        limit = most if keep is None else keep
        from_end = keep is not None and (side or self._own_side) == "left"
        # One id more than can fit tells whether the text is too long.
        piece = (self._content.last if from_end else self._content.first)(text, limit + 1)
        total = piece.seen + specials.count
        if total <= limit:
            return _Cut((*specials.head, *piece.ids, *specials.tail))
        if keep is None:
            raise _too_long(total, most, piece.exact)
        content = piece.ids
        if side is None:  # as the tokenizer's own truncation: the text makes room for the special tokens
            content = _keep(content, max(0, limit - specials.count), from_end)
        ids = _keep([*specials.head, *content, *specials.tail], limit, from_end)
        return _Cut(tuple(ids), total - len(ids))

    def _encode_ids(
        self, ids: tuple[int, ...], types: tuple[int, ...] | None, keep: int | None, side: Side | None, most: int
    ) -> PreparedInput:
        self._check(ids, trusted=False)
        if keep is None and len(ids) > most:
            raise _too_long(len(ids), most, exact=True)
        from_end = (side or self._own_side) == "left"
        count = len(ids) if keep is None else keep
        kept = _keep(ids, count, from_end)
        self._check(kept, trusted=True)
        return PreparedInput(
            token_ids=kept,
            token_type_ids=None if types is None else _keep(types, count, from_end),
            truncated_tokens=len(ids) - len(kept),
        )

    def _check(self, ids: tuple[int, ...], *, trusted: bool) -> None:
        if not ids:
            raise InvalidRequest("The prompt is empty: it has no tokens.", param="input")
        if not trusted and not (min(ids) >= 0 and max(ids) <= self.max_token_id):
            wrong = next(value for value in ids if not 0 <= value <= self.max_token_id)
            raise InvalidRequest(
                f"Token id {wrong} is out of vocabulary: this model knows ids 0 to {self.max_token_id}.", param="input"
            )

    def _count_prefix_tokens(self, prefix: str, add_special_tokens: bool) -> int:
        """Count as sentence-transformers 6.2 (`Transformer._get_prompt_length`).

        The prefix is encoded alone, special tokens and truncation included; one special token at its end is not
        counted.
        """
        specials = self._specials if add_special_tokens else SpecialTokens()
        ids = self._encode_text(prefix, specials, self.max_tokens, None, self.max_tokens).ids
        return len(ids) - 1 if ids and ids[-1] in self._all_special_ids else len(ids)


def _tokens_to_keep(options: TokenizationOptions, most: int) -> int | None:
    asked = options.truncate_prompt_tokens
    if asked is None or asked == -1:
        return None if asked is None else most
    if not 0 <= asked <= most:
        raise InvalidRequest(
            f"truncate_prompt_tokens is {asked}, but this model takes at most {most} tokens. Give a number from 1 to "
            f"{most}, or -1 for as many as fit.",
            param="truncate_prompt_tokens",
        )
    return asked


def _too_long(found: int, most: int, exact: bool) -> PromptTooLong:
    number = f"{found}" if exact else f"at least {found}"
    return PromptTooLong(
        f"The prompt has {number} tokens, but this model takes at most {most}. Shorten it, or ask for truncation with "
        "truncate_prompt_tokens=-1.",
        param="input_tokens",
    )


def _keep(ids: IdsT, count: int, from_end: bool) -> IdsT:
    return ids[max(0, len(ids) - count) :] if from_end else ids[:count]


def _check_unicode(text: str) -> None:
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise InvalidRequest(
            f"The text has a lone surrogate at character {exc.start}; it is not valid Unicode.", param="input"
        ) from exc
