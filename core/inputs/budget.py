"""How many tokens a model takes, and which ids: what every way of encoding checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

from cenote.errors import InvalidRequest, PromptTooLong
from cenote.types import TokenizationOptions

__all__ = ["Side", "TokenBudget", "keep_ids", "too_long"]

Side: TypeAlias = Literal["left", "right"]
IdsT = TypeVar("IdsT", list[int], tuple[int, ...])


@dataclass(frozen=True, slots=True)
class TokenBudget:
    """Limits of one model.

    Attributes:
        max_tokens: longest prompt, special tokens included.
        max_token_id: largest id that the embedding table and the tokenizer know.
        ids_may_exceed: the tokenizer has ids beyond that.
        own_side: where the tokenizer truncates by itself.
        may_be_empty: a prompt without tokens has a result.
    """

    max_tokens: int
    max_token_id: int
    ids_may_exceed: bool
    own_side: Side
    may_be_empty: bool = False

    def most(self, options: TokenizationOptions) -> int:
        """Return the longest prompt: the options' where they say, else the model's."""
        return options.max_tokens or self.max_tokens

    def to_keep(self, options: TokenizationOptions) -> int | None:
        """Return how many tokens truncation keeps, or None without truncation.

        Raises:
            InvalidRequest: more than the model takes, or less than none.
        """
        asked, most = options.truncate_prompt_tokens, self.most(options)
        if asked is None or asked == -1:
            return None if asked is None else most
        if not 1 <= asked <= most:
            raise InvalidRequest(
                f"truncate_prompt_tokens is {asked}, but a prompt of this model has 1 to {most} tokens. Give such a "
                "number, or -1 for as many as fit.",
                param="truncate_prompt_tokens",
            )
        return asked

    def part_limit(self, options: TokenizationOptions, name: Literal["query", "doc"]) -> int | None:
        """Return `max_tokens_per_query` or `max_tokens_per_doc`; None and 0 are no limit (http-api.md section 3.6).

        Raises:
            InvalidRequest: negative, or not below what the model takes.
        """
        value = options.max_tokens_per_query if name == "query" else options.max_tokens_per_doc
        if value is not None and not 0 <= value < self.max_tokens:
            raise InvalidRequest(
                f"max_tokens_per_{name} is {value}, but must be from 0 (no limit) to {self.max_tokens - 1}, below the "
                f"{self.max_tokens} tokens that this model takes.",
                param=f"max_tokens_per_{name}",
            )
        return value or None

    def check(self, ids: tuple[int, ...], *, trusted: bool) -> None:
        """Refuse ids that the model lacks, and an empty prompt unless it has a result.

        Ids of the tokenizer itself are `trusted`.

        Raises:
            InvalidRequest: as said.
        """
        if not ids:
            if self.may_be_empty:
                return
            raise InvalidRequest("The prompt is empty: it has no tokens.", param="input")
        if trusted and not self.ids_may_exceed:
            return
        if not (min(ids) >= 0 and max(ids) <= self.max_token_id):
            wrong = next(value for value in ids if not 0 <= value <= self.max_token_id)
            raise InvalidRequest(
                f"Token id {wrong} is out of vocabulary: this model knows ids 0 to {self.max_token_id}.", param="input"
            )


def too_long(found: int, most: int, *, exact: bool, reason: str = "") -> PromptTooLong:
    """Return the error for a prompt of `found` tokens where the model takes `most`.

    Args:
        found: tokens of the prompt.
        most: tokens that the model takes.
        exact: it has no more than `found`.
        reason: a sentence on what else than its text makes it long.
    """
    number = f"{found}" if exact else f"at least {found}"
    return PromptTooLong(
        f"The prompt has {number} tokens, but this model takes at most {most}. Shorten it, or ask for truncation with "
        f"truncate_prompt_tokens=-1.{reason and ' '}{reason}",
        param="input_tokens",
    )


def keep_ids(ids: IdsT, count: int, *, from_end: bool) -> IdsT:
    """Return the first or the last `count` ids."""
    return ids[max(0, len(ids) - count) :] if from_end else ids[:count]
