"""Results of `LLM.encode(outputs=[...])`: several forms of an embedding from one pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from cenote.outputs.positions import Places
from cenote.outputs.results import PoolingRequestOutput, TypedOutput
from cenote.outputs.sparse import SparseOutput, Words

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Forms", "FormsRequestOutput"]


@dataclass
class Forms:
    """The forms that were asked for; the others are None, as all are after an error.

    Attributes:
        dense: [dim] float32.
        sparse: weighted terms.
        multi: [tokens, dim] float32.
        positions: the token that each vector of `multi` belongs to, or the tokens; as in `PoolingOutput`.
    """

    dense: Tensor | None = field(default=None, repr=False)
    sparse: SparseOutput | None = None
    multi: Tensor | None = field(default=None, repr=False)
    positions: Places | None = field(default=None, repr=False)


class FormsRequestOutput(TypedOutput[Forms]):
    """Several forms of the embedding of one prompt."""

    @classmethod
    def from_base(cls, base: PoolingRequestOutput, words: Words | None = None) -> Self:
        """Convert a raw result that holds one or several of the tasks `embed`, `sparse_embed` and `token_embed`."""
        found = base.outputs.by_task
        terms = found.get("sparse_embed")
        sparse = None if terms is None else SparseOutput.of(terms, words)
        return cls.convert(base, Forms(found.get("embed"), sparse, found.get("token_embed"), base.outputs.positions))
