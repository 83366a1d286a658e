"""Results of `LLM.sparse_embed`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self, TypeAlias

from cenote.errors import ShapeError
from cenote.outputs.results import PoolingRequestOutput, TypedOutput

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SparseOutput", "SparseRequestOutput", "Words"]

#: From token ids to their texts in the vocabulary.
Words: TypeAlias = Callable[[list[int]], list[str]]


@dataclass
class SparseOutput:
    """The terms of one prompt, by ascending id; empty after an error.

    Attributes:
        indices: ids in the model's vocabulary, each once.
        values: their weights.
        tokens: their texts in the vocabulary, or an empty list where nobody looked them up.
    """

    indices: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, data: Tensor, words: Words | None = None) -> Self:
        """Read a sparse tensor [vocabulary size].

        Args:
            data: coalesced, in PyTorch's COO layout.
            words: gives the texts of ids; None leaves `tokens` empty.

        Raises:
            ShapeError: it is another tensor.
        """
        if not data.is_sparse or data.ndim != 1:
            raise ShapeError(f"A sparse embedding is one sparse row; the data has shape {list(data.shape)}.")
        indices = data.indices()[0].tolist()
        return cls(indices, data.values().tolist(), words(indices) if words else [])

    def __len__(self) -> int:
        return len(self.indices)


class SparseRequestOutput(TypedOutput[SparseOutput]):
    """Sparse embedding of one prompt."""

    @classmethod
    def from_base(cls, base: PoolingRequestOutput, words: Words | None = None) -> Self:
        """Convert a raw `sparse_embed` result.

        Raises:
            ShapeError: the data is not one sparse row.
        """
        return cls.convert(base, SparseOutput() if base.error else SparseOutput.of(base.outputs.data, words))
