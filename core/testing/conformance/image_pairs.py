"""Images as the documents of rerankers."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from cenote.engine import LLM
from cenote.testing.capabilities import needs
from cenote.testing.compare import assert_close
from cenote.testing.conformance.images import ImageTests, as_png
from cenote.testing.pictures import sample_picture

__all__ = ["ImagePairTests"]


class ImagePairTests(ImageTests):
    """A page gets the same score whatever form it comes in and whatever it is ranked with."""

    @pytest.fixture(scope="class")
    @classmethod
    def page_scores(cls, model: LLM, texts: list[str], pictures: list[Any]) -> list[float]:
        """The score of each picture for the second text, each in a call of its own."""
        return [_scores(model, texts[1], [picture])[0] for picture in pictures]

    @needs("image documents")
    def test_pages_and_texts_score_together_as_each_alone(
        self, model: LLM, texts: list[str], pictures: list[Any], page_scores: list[float]
    ) -> None:
        (words,) = _scores(model, texts[1], [texts[0]])
        for order in (1, -1):
            found = _scores(model, texts[1], [texts[0], *pictures][::order])[::order]
            assert_close(found, [words, *page_scores], tolerance=self.tolerance, name="pages beside a text")

    @needs("image documents")
    def test_different_pages_score_differently(self, model: LLM, texts: list[str]) -> None:
        first, other = _scores(model, texts[1], [sample_picture(64, 64, seed=seed) for seed in (0, 1)])
        assert abs(first - other) > self.tolerance

    @needs("image documents")
    def test_a_page_scores_the_same_in_every_form(
        self, model: LLM, texts: list[str], pictures: list[Any], page_scores: list[float]
    ) -> None:
        for picture, expected in zip(pictures, page_scores, strict=True):
            data = as_png(picture)
            address = "data:image/png;base64," + base64.b64encode(data).decode()
            content = {"content": [{"type": "image_url", "image_url": {"url": address}}]}
            found = [_scores(model, texts[1], [form])[0] for form in (content, {"image": address}, {"image": picture})]
            assert found == [expected] * len(found)

    @needs("image documents")
    def test_a_ranking_of_pages_is_the_order_of_their_scores(
        self, model: LLM, texts: list[str], pictures: list[Any], page_scores: list[float]
    ) -> None:
        ranked = model.rerank(texts[1], pictures)
        scores = [page_scores[row.index] for row in ranked]
        assert sorted(row.index for row in ranked) == list(range(len(pictures)))
        assert (np.diff(scores) <= self.tolerance).all()


def _scores(model: LLM, query: Any, documents: list[Any]) -> list[float]:
    return [output.outputs.score for output in model.score(query, documents, use_tqdm=False)]
