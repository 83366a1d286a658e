"""Results of `LLM.embed`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from cenote.outputs.results import PoolingRequestOutput, TypedOutput, one_row

__all__ = ["EmbeddingOutput", "EmbeddingRequestOutput"]


@dataclass(eq=False)
class EmbeddingOutput:
    """One embedding.

    Attributes:
        embedding: [hidden_size] floats; empty after an error.
    """

    embedding: list[float] = field(repr=False)

    @property
    def hidden_size(self) -> int:
        """Return the number of components."""
        return len(self.embedding)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EmbeddingOutput) and self.embedding == other.embedding

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"EmbeddingOutput(hidden_size={self.hidden_size})"


class EmbeddingRequestOutput(TypedOutput[EmbeddingOutput]):
    """Embedding of one prompt."""

    @classmethod
    def from_base(cls, base: PoolingRequestOutput) -> Self:
        """Convert a raw `embed` result.

        Raises:
            ShapeError: the data is not one vector.
        """
        return cls.convert(base, EmbeddingOutput(one_row(base, "An embedding")))
