"""Models that read queries and documents one by one: a vector each, dense or sparse."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from cenote.errors import UnsupportedTask
from cenote.scoring.base import Pair, ScoreInput
from cenote.scoring.similarity import SIMILARITIES
from cenote.types import Prompt

__all__ = ["DENSE", "SPARSE", "Dense", "Sparse", "TwoSided"]


class TwoSided(ABC):
    """Every query and document is read once, queries first."""

    task: str
    by_role: bool

    def inputs(self, queries: Sequence[Prompt], documents: Sequence[Prompt], pairs: Sequence[Pair]) -> list[ScoreInput]:
        """Return each as it is."""
        return [
            *(ScoreInput(prompt=query, task=self.task, side="query", role="query") for query in queries),
            *(ScoreInput(prompt=document, task=self.task, side="document", role="document") for document in documents),
        ]

    @abstractmethod
    def scores(self, results: Sequence[Tensor], queries: int, pairs: Sequence[Pair]) -> Tensor:
        """Return the scores of all pairs."""


class Dense(TwoSided):
    """Cosine similarity of two vectors."""

    task = "embed"
    by_role = False

    def scores(self, results: Sequence[Tensor], queries: int, pairs: Sequence[Pair]) -> Tensor:
        """Return the cosine of each pair, in float32."""
        vectors = F.normalize(torch.stack(list(results)).float(), dim=-1)
        left, right = zip(*pairs, strict=True)
        cosines = (vectors[list(left)] * vectors[[queries + index for index in right]]).sum(dim=-1)
        return cosines.clamp(-1.0, 1.0)  # rounding may go a little beyond


class Sparse(TwoSided):
    """The similarity of two sparse vectors; by default their dot product.

    Source: `SparseEncoder.similarity` of sentence-transformers 6.2, whose similarity is the dot product where the
    model's files name none. A model may read queries otherwise than documents, so the sides have their roles.
    """

    task = "sparse_embed"
    by_role = True

    def __init__(self, similarity: str = "dot") -> None:
        """Score by `dot`, `cosine`, or the negative `euclidean` or `manhattan` distance."""
        self._similarity = SIMILARITIES[similarity]

    def by_similarity(self, name: str) -> Sparse:
        """Return the way of scoring of a model whose files name a similarity.

        Raises:
            UnsupportedTask: the name is unknown.
        """
        if name not in SIMILARITIES:
            raise UnsupportedTask(
                f"The files of this model name the similarity {name!r:.80}, which sparse vectors do not have; known: "
                f"{', '.join(SIMILARITIES)}. Correct similarity_fn_name in config_sentence_transformers.json.",
                param="score_type",
            )
        return Sparse(name)

    def scores(self, results: Sequence[Tensor], queries: int, pairs: Sequence[Pair]) -> Tensor:
        """Return the similarity of each pair, in float32."""
        found = [self._similarity(results[query], results[queries + document]) for query, document in pairs]
        return torch.stack(found)


DENSE = Dense()
SPARSE = Sparse()
