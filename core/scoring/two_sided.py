"""Models that read queries and documents one by one: a vector each, dense or sparse, or a vector per token."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from cenote.kernels import get_kernel
from cenote.scoring.base import Pair, ScoreInput
from cenote.types import Prompt

__all__ = ["COLBERT", "DENSE", "SPARSE", "Dense", "LateInteraction", "Sparse"]


class _TwoSided(ABC):
    """Every text is read once, queries first."""

    task: str
    by_role: bool

    def inputs(self, queries: Sequence[str], documents: Sequence[str], pairs: Sequence[Pair]) -> list[ScoreInput]:
        """Return one prompt per text."""
        return [
            *(ScoreInput(prompt=Prompt(text=text), task=self.task, side="query", role="query") for text in queries),
            *(
                ScoreInput(prompt=Prompt(text=text), task=self.task, side="document", role="document")
                for text in documents
            ),
        ]

    @abstractmethod
    def scores(self, results: Sequence[Tensor], queries: int, pairs: Sequence[Pair]) -> Tensor:
        """Return the scores of all pairs."""


class Dense(_TwoSided):
    """Cosine similarity of two vectors."""

    task = "embed"
    by_role = False

    def scores(self, results: Sequence[Tensor], queries: int, pairs: Sequence[Pair]) -> Tensor:
        """Return the cosine of each pair, in float32."""
        vectors = F.normalize(torch.stack(list(results)).float(), dim=-1)
        left, right = zip(*pairs, strict=True)
        cosines = (vectors[list(left)] * vectors[[queries + index for index in right]]).sum(dim=-1)
        return cosines.clamp(-1.0, 1.0)  # rounding may go a little beyond


class Sparse(_TwoSided):
    """Dot product of two sparse vectors: the weights of the terms that both have, multiplied and summed.

    Source: `SparseEncoder.similarity` of sentence-transformers 6.2, whose similarity is the dot product where the
    model's files name none. A model may read queries otherwise than documents, so the sides have their roles.
    """

    task = "sparse_embed"
    by_role = True

    def scores(self, results: Sequence[Tensor], queries: int, pairs: Sequence[Pair]) -> Tensor:
        """Return the dot product of each pair, in float32."""
        scores = torch.zeros(len(pairs))
        for place, (query, document) in enumerate(pairs):
            left, right = results[query], results[queries + document]
            terms, weights = right.indices()[0], right.values().float()
            if not len(terms):
                continue
            at = torch.searchsorted(terms, left.indices()[0]).clamp_max(len(terms) - 1)
            shared = terms[at] == left.indices()[0]
            scores[place] = (weights[at] * left.values().float())[shared].sum()
        return scores


class LateInteraction(_TwoSided):
    """MaxSim: for each vector of the query the best vector of the document, summed."""

    task = "token_embed"
    by_role = True

    def scores(self, results: Sequence[Tensor], queries: int, pairs: Sequence[Pair]) -> Tensor:
        """Return the sum of the best dot products of each pair."""
        scores = torch.zeros(len(pairs))
        by_query: dict[int, list[int]] = {}
        for place, pair in enumerate(pairs):
            by_query.setdefault(pair[0], []).append(place)
        for query, places in by_query.items():
            documents = [results[queries + pairs[place][1]] for place in places]
            kernel = get_kernel("maxsim", results[query].device.type)
            lengths = [len(document) for document in documents]
            scores[places] = kernel(results[query], torch.cat(documents), lengths=lengths)
        return scores


DENSE = Dense()
SPARSE = Sparse()
COLBERT = LateInteraction()
