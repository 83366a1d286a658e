"""What a request cost, as answers tell it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from cenote.outputs import PoolingRequestOutput

__all__ = ["Usage"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request.

    Attributes:
        prompt_tokens: what the model saw, special tokens included.
        truncated_tokens: what truncation removed.
    """

    prompt_tokens: int
    truncated_tokens: int

    @classmethod
    def of(cls, outputs: Sequence[PoolingRequestOutput]) -> Self:
        """Sum over the prompts of a request."""
        return cls(
            sum(len(output.prompt_token_ids) for output in outputs),
            sum(output.truncated_tokens for output in outputs),
        )

    def short(self) -> dict[str, int]:
        """Return the two fields that every dialect has."""
        return {"prompt_tokens": self.prompt_tokens, "total_tokens": self.prompt_tokens}

    def full(self) -> dict[str, int | None]:
        """Return the fields of OpenAI's shape, and how many tokens truncation removed."""
        return {
            **self.short(),
            "completion_tokens": 0,
            "prompt_tokens_details": None,
            "completion_tokens_details": None,
            "truncated_tokens": self.truncated_tokens,
        }
