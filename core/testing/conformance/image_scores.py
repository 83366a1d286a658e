"""What late interaction makes of images."""

from __future__ import annotations

from itertools import product
from typing import Any

from cenote.engine import LLM
from cenote.testing.capabilities import needs
from cenote.testing.compare import assert_close
from cenote.testing.conformance.base import encode, run
from cenote.testing.conformance.images import ImageTests, as_prompt
from cenote.testing.conformance.late import best_matches

__all__ = ["ImageScoreTests"]


class ImageScoreTests(ImageTests):
    """Vectors that say which patch each belongs to, and scores that follow from the vectors."""

    @needs("image", "late interaction")
    def test_the_vectors_of_an_image_name_their_patches(self, model: LLM, pictures: list[Any]) -> None:
        for output in run(model, [as_prompt(picture) for picture in pictures], "token_embed"):
            places = output.outputs.positions
            assert len(places) == len(output.outputs.data)
            patches = [tuple(place) for place in places if not isinstance(place, int)]
            # Rows and columns, or tiles with the rows and columns of each.
            sizes = [1 + max(axis) for axis in zip(*patches, strict=True)]
            assert patches == list(product(*map(range, sizes)))
            tokens = [place for place in places if isinstance(place, int)]
            assert tokens == sorted(set(tokens).intersection(range(len(output.prompt_token_ids))))

    @needs("image", "late interaction")
    def test_scores_of_images_follow_from_the_vectors(self, model: LLM, texts: list[str], pictures: list[Any]) -> None:
        documents = [*(as_prompt(picture) for picture in pictures), texts[0]]
        rows = encode(model, documents, "token_embed", role="document")
        for query in (texts[1], pictures[0]):
            (own,) = encode(model, [query if isinstance(query, str) else as_prompt(query)], "token_embed", role="query")
            found = model.score(query, [*pictures, texts[0]], score_type="colbert", use_tqdm=False)
            expected = [best_matches(own, row) for row in rows]
            assert_close([output.outputs.score for output in found], expected, tolerance=self.tolerance, name="scores")
