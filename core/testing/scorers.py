"""Conformance tests of a way of scoring: subclass, name the scorer, and pytest runs them all.

class TestMyScorer(ScorerConformance):
    scorer = "acme"
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from cenote.engine import LLM
from cenote.registry import default_registry
from cenote.scoring import Scorer
from cenote.scoring.base import check_scorer_type
from cenote.testing.capabilities import Capable
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.compare import assert_close
from cenote.testing.lookalikes import LOOKALIKES
from cenote.testing.texts import sample_texts
from cenote.types import Prompt

__all__ = ["ScorerConformance"]

_CUT = {"truncate_prompt_tokens": -1}


class ScorerConformance(Capable):
    """What every way of scoring must do.

    Attributes:
        scorer: name of the entry point, or the object. Must be set.
        family: the look-alike to run with; None takes one that can do the scorer's task.
        options: further options of `LLM`.
        tolerance: largest difference allowed between two ways to compute the same.
    """

    scorer: ClassVar[str | Scorer | None] = None
    family: ClassVar[str | None] = None
    options: ClassVar[Mapping[str, Any]] = {}
    tolerance: ClassVar[float] = 2e-5

    @pytest.fixture(scope="class")
    @classmethod
    def way(cls) -> Scorer:
        """The scorer under test."""
        if cls.scorer is None:
            raise cls.missing("the attribute 'scorer'")
        if isinstance(cls.scorer, str):
            found: Scorer = default_registry().get("cenote.scorers", cls.scorer)
            return found
        return cls.scorer

    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, way: Scorer, tmp_path_factory: pytest.TempPathFactory) -> str | Path:
        """Folder or name of the checkpoint to run with."""
        family = cls.family or LOOKALIKES.get(way.task)
        if family is None:
            raise cls.missing(f"the fixture 'checkpoint': there is no look-alike for the task {way.task!r}")
        return build_checkpoint(family, tmp_path_factory.mktemp("checkpoint"))

    @pytest.fixture(scope="class")
    @classmethod
    def name(cls, way: Scorer) -> Iterator[str]:
        """What requests call it; an object is registered for the time of its tests."""
        if isinstance(cls.scorer, str):
            yield cls.scorer
            return
        undo = default_registry().register("cenote.scorers", "kit-scorer", way)
        yield "kit-scorer"
        undo()

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, checkpoint: str | Path) -> Iterator[LLM]:
        """The loaded model."""
        with LLM(str(checkpoint), **cls.options) as model:
            yield model

    def test_it_has_the_form_of_a_scorer(self, way: Scorer) -> None:
        check_scorer_type(way)

    def test_it_asks_for_its_task_queries_first(self, way: Scorer) -> None:
        pairs = [(0, 0), (1, 1), (1, 0)]
        queries, documents = ([Prompt(text=text) for text in side] for side in ("ab", "cd"))
        inputs = way.inputs(queries, documents, pairs)
        assert {item.task for item in inputs} == {way.task}
        sides = [item.side for item in inputs]
        assert sides in (["pair"] * len(pairs), ["query", "query", "document", "document"])

    def test_pairs_score_as_each_alone(self, model: LLM, name: str) -> None:
        query, *documents = sample_texts()
        alone = [_scores(model, name, query, [document])[0] for document in documents]
        assert_close(_scores(model, name, query, documents), alone, tolerance=self.tolerance, name="scores")
        backwards = _scores(model, name, query, documents[::-1])[::-1]
        assert_close(backwards, alone, tolerance=self.tolerance, name="reversed")

    def test_many_queries_meet_their_own_documents(self, model: LLM, name: str) -> None:
        queries = sample_texts()
        documents = queries[1:] + queries[:1]
        alone = [_scores(model, name, query, [text])[0] for query, text in zip(queries, documents, strict=True)]
        assert_close(_scores(model, name, queries, documents), alone, tolerance=self.tolerance, name="one by one")

    def test_scores_tell_documents_apart(self, model: LLM, name: str) -> None:
        query, *documents = sample_texts()
        assert len(set(_scores(model, name, query, documents))) > 1


def _scores(model: LLM, name: str, queries: str | list[str], documents: list[str]) -> list[float]:
    outputs = model.score(queries, documents, score_type=name, use_tqdm=False, tokenization_kwargs=_CUT)
    assert len(outputs) == len(documents)
    assert all(output.error is None for output in outputs)
    return [output.outputs.score for output in outputs]
