"""The conformance kit on the ways of scoring of the core, and on one of a plugin."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cenote.registry import default_registry
from cenote.scoring import ScoreInput, choose_scorer
from cenote.scoring.base import Pair
from cenote.testing.scorers import ScorerConformance
from cenote.types import Prompt


class TestCrossEncoder(ScorerConformance):
    scorer = "cross-encoder"


class TestDense(ScorerConformance):
    scorer = "dense"


class TestSparse(ScorerConformance):
    scorer = "sparse"


class TestColbert(ScorerConformance):
    scorer = "colbert"


class TestColbertMean(ScorerConformance):
    scorer = "colbert-mean"


class TestHybrid(ScorerConformance):
    scorer = choose_scorer("colbert+dense", ("embed", "token_embed"), "embed")


class TestHybridOfTerms(ScorerConformance):
    scorer = choose_scorer("sparse+dense", ("embed", "sparse_embed"), "embed", weights=[0.1, 0.9])
    family = "splade"


class Distance:
    """The negative Euclidean distance of two vectors, as a plugin may add it."""

    task = "embed"
    by_role = False

    def inputs(self, queries: Sequence[Prompt], documents: Sequence[Prompt], pairs: Sequence[Pair]) -> list[ScoreInput]:
        return [
            *(ScoreInput(prompt=query, task=self.task, side="query") for query in queries),
            *(ScoreInput(prompt=document, task=self.task, side="document") for document in documents),
        ]

    def scores(self, results: Sequence[Tensor], queries: int, pairs: Sequence[Pair]) -> Tensor:
        return torch.stack([-(results[query] - results[queries + document]).norm() for query, document in pairs])


class TestDistance(ScorerConformance):
    scorer = Distance()


def test_every_scorer_of_the_core_is_tested_here() -> None:
    offers = default_registry().entries("cenote.scorers")
    own = {name for name, entries in offers.items() if entries[0].distribution == "cenote"}
    assert own == {cls.scorer for cls in ScorerConformance.__subclasses__() if isinstance(cls.scorer, str)}
