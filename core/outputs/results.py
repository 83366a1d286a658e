"""What the methods of `LLM` return."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from cenote.errors import ShapeError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["EmbeddingOutput", "EmbeddingRequestOutput", "PoolingOutput", "PoolingRequestOutput"]

T = TypeVar("T")


@dataclass(eq=False)
class PoolingOutput:
    """One raw result.

    Attributes:
        data: float32 tensor on the CPU: `embed` [dim], `token_embed` [tokens, dim].
    """

    data: Tensor = field(repr=False)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PoolingOutput) and self.data.equal(other.data)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"PoolingOutput(data=<tensor {list(self.data.shape)}>)"


@dataclass(eq=False)
class EmbeddingOutput:
    """One embedding.

    Attributes:
        embedding: [hidden_size] floats.
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


@dataclass(kw_only=True)
class _RequestOutput(Generic[T]):
    """What every result says of its prompt.

    Attributes:
        request_id: unique within the engine, or derived from the id the client gave.
        outputs: the result.
        prompt_token_ids: what the model saw, special tokens included.
        num_cached_tokens: always 0, kept for compatibility.
        finished: always True, pooling has no partial results.
        truncated_tokens: tokens that truncation removed; a lower bound where the rest was never tokenised.
    """

    request_id: str
    outputs: T
    prompt_token_ids: list[int] = field(repr=False)
    num_cached_tokens: int = 0
    finished: bool = True
    truncated_tokens: int = 0


class PoolingRequestOutput(_RequestOutput[PoolingOutput]):
    """Raw result of one prompt."""


class EmbeddingRequestOutput(_RequestOutput[EmbeddingOutput]):
    """Embedding of one prompt."""

    @classmethod
    def from_base(cls, base: PoolingRequestOutput) -> Self:
        """Convert a raw `embed` result.

        Raises:
            ShapeError: the data is not one vector.
        """
        if base.outputs.data.ndim != 1:
            raise ShapeError(f"An embedding is one vector; the data has shape {list(base.outputs.data.shape)}.")
        return cls(
            request_id=base.request_id,
            outputs=EmbeddingOutput(base.outputs.data.tolist()),
            prompt_token_ids=base.prompt_token_ids,
            num_cached_tokens=base.num_cached_tokens,
            finished=base.finished,
            truncated_tokens=base.truncated_tokens,
        )
