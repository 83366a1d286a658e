"""`classify`, `token_classify` and `score`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenote.engine import LLM
from cenote.testing.capabilities import needs
from cenote.testing.compare import assert_all_close, assert_close
from cenote.testing.conformance.base import CUT, AdapterBase, Alone, Reference, encode

__all__ = ["ClassifierTests", "ScoreTests"]


class ClassifierTests(AdapterBase):
    """One value per label, of a prompt or of each token."""

    def test_each_label_has_a_name(self, model: LLM) -> None:
        assert len(model.labels) == model.limits.num_labels
        if "classify" in self.tasks:
            assert model.limits.num_labels > 0

    @needs("classify")
    def test_classify_gives_the_numbers_of_encode(self, model: LLM, prompts: list[Any]) -> None:
        outputs = model.classify(prompts[:3], use_tqdm=False, tokenization_kwargs=dict(CUT))
        for output, row in zip(outputs, encode(model, prompts[:3], "classify"), strict=True):
            assert_close(output.outputs.probs, row, tolerance=self.tolerance, name="classify")

    @needs("activation")
    def test_the_activation_follows_the_logits(self, model: LLM, prompts: list[Any]) -> None:
        for task in {"classify", "token_classify"} & set(self.tasks):
            logits, found = (encode(model, prompts, task, use_activation=use) for use in (False, True))
            expected = [_activate(self.activation or "none", row) for row in logits]
            assert_all_close(found, expected, tolerance=self.tolerance, name=f"{task}: {self.activation}")

    @needs("classify_reference")
    def test_labels_equal_the_reference(
        self, classify_reference: Reference, prompts: list[Any], each_alone: Alone
    ) -> None:
        task = "classify" if "classify" in self.tasks else "token_classify"
        assert_all_close(each_alone(task), classify_reference(prompts), tolerance=self.tolerance, name=task)


class ScoreTests(AdapterBase):
    """One number for a query and a document, read together or compared by their vectors."""

    @needs("scores")
    def test_many_pairs_score_as_each_alone(self, model: LLM, texts: list[str]) -> None:
        query, documents = texts[1], texts[2:]
        alone = [_scores(model, query, [document])[0] for document in documents]
        assert_close(_scores(model, query, documents), alone, tolerance=self.tolerance, name="scores")
        assert_close(_scores(model, query, documents[::-1])[::-1], alone, tolerance=self.tolerance, name="reversed")

    @needs("scores")
    def test_a_ranking_is_the_order_of_the_scores(self, model: LLM, texts: list[str]) -> None:
        query, documents = texts[1], texts[2:]
        scores = _scores(model, query, documents)
        ranked = model.rerank(query, documents, use_tqdm=False, tokenization_kwargs=dict(CUT))
        found = [item.score for item in ranked]
        assert found == sorted(found, reverse=True)
        assert_close(found, [scores[item.index] for item in ranked], tolerance=self.tolerance, name="ranking")

    @needs("scores")
    def test_query_and_document_are_not_the_same(self, model: LLM, texts: list[str]) -> None:
        one, other = _scores(model, texts[1], [texts[5]]), _scores(model, texts[5], [texts[1]])
        assert one[0] != other[0]

    @needs("scores", "score_reference")
    def test_scores_equal_the_reference(self, model: LLM, score_reference: Reference, texts: list[str]) -> None:
        pairs = [(texts[index - 1], text) for index, text in enumerate(texts)]
        found = model.score([a for a, _ in pairs], [b for _, b in pairs], use_tqdm=False, tokenization_kwargs=dict(CUT))
        expected = np.asarray(score_reference(pairs)).reshape(-1)
        assert_close([item.outputs.score for item in found], expected, tolerance=self.tolerance, name="score")


def _scores(model: LLM, query: str, documents: list[str]) -> list[float]:
    outputs = model.score(query, documents, use_tqdm=False, tokenization_kwargs=dict(CUT))
    return [output.outputs.score for output in outputs]


def _activate(name: str, logits: NDArray[Any]) -> NDArray[Any]:
    if name == "softmax":
        spread = np.exp(logits - logits.max(-1, keepdims=True))
        return np.asarray(spread / spread.sum(-1, keepdims=True))
    return np.asarray(1 / (1 + np.exp(-logits)) if name == "sigmoid" else logits)
