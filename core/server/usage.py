"""What a request cost, as answers tell it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from cenote.outputs import ReadPrompt, RequestOutput, ScoringRequestOutput

__all__ = ["Usage", "prompts_read"]


def prompts_read(outputs: Sequence[RequestOutput[Any]]) -> Sequence[ReadPrompt]:
    """Return what the model read for some results; a query that several pairs share counts once."""
    if outputs and isinstance(outputs[0], ScoringRequestOutput):
        pairs = [output for output in outputs if isinstance(output, ScoringRequestOutput)]
        return list({id(prompt): prompt for pair in pairs for prompt in pair.read}.values())
    return [ReadPrompt(len(output.prompt_token_ids), output.truncated_tokens) for output in outputs]


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
    def of(cls, outputs: Sequence[RequestOutput[Any]]) -> Self:
        """Sum over the prompts of a request."""
        read = prompts_read(outputs)
        return cls(sum(prompt.tokens for prompt in read), sum(prompt.truncated_tokens for prompt in read))

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
