"""Results of `LLM.score` and `LLM.rerank`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

from cenote.errors import ShapeError
from cenote.outputs.results import PoolingRequestOutput, TypedOutput

__all__ = ["ReadPrompt", "RerankResult", "ScoringOutput", "ScoringRequestOutput"]


@dataclass
class ScoringOutput:
    """The score of one pair; 0.0 after an error."""

    score: float


@dataclass(frozen=True, slots=True, eq=False)
class ReadPrompt:
    """What one prompt that the model read cost.

    Attributes:
        tokens: what the model saw, special tokens included.
        truncated_tokens: tokens that truncation removed.
    """

    tokens: int
    truncated_tokens: int


@dataclass(kw_only=True)
class ScoringRequestOutput(TypedOutput[ScoringOutput]):
    """Score of one pair.

    Attributes:
        read: the prompts that were read for it: the pair, or the query and the document. A query that was read once
            for several documents is the same object in all of their results.
    """

    read: tuple[ReadPrompt, ...] = field(default=(), repr=False, compare=False)

    @classmethod
    def from_base(cls, base: PoolingRequestOutput) -> Self:
        """Convert a raw result that holds one number.

        Raises:
            ShapeError: the data is not one number.
        """
        if base.error is not None:
            return cls.convert(base, ScoringOutput(0.0))
        data = base.outputs.data
        if data.numel() != 1:
            raise ShapeError(f"A score is one number; the data has shape {list(data.shape)}.")
        return cls.convert(base, ScoringOutput(float(data.item())))


@dataclass(frozen=True, slots=True)
class RerankResult:
    """One document of a ranking.

    Attributes:
        index: place of the document in the list that was given, from 0.
        score: how well it answers the query; higher is better.
        document: the document as it was given.
    """

    index: int
    score: float
    document: Any
