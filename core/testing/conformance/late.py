"""Late interaction: each kept token has a vector, and texts are compared by the best match of each vector."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cenote.engine import LLM
from cenote.errors import PromptTooLong
from cenote.testing.capabilities import needs
from cenote.testing.compare import assert_close
from cenote.testing.conformance.base import CUT, AdapterBase, encode, numbers, run

__all__ = ["LateInteractionTests", "best_matches"]

_ROLES = ("query", "document")


class LateInteractionTests(AdapterBase):
    """Vectors that say which token each belongs to, and scores that follow from the vectors."""

    @needs("late interaction")
    def test_each_vector_names_its_token(self, model: LLM, texts: list[str]) -> None:
        for role in _ROLES:
            for output in run(model, texts, "token_embed", role=role):
                places = output.outputs.positions
                assert places, f"{role}: no positions"
                assert len(places) == len(output.outputs.data), f"{role}: as many positions as vectors"
                assert places == sorted(set(places)), f"{role}: positions ascend"
                assert 0 <= places[0] <= places[-1] < len(output.prompt_token_ids), f"{role}: positions are of tokens"

    @needs("late interaction")
    def test_each_role_has_its_own_longest_text(self, model: LLM, texts: list[str]) -> None:
        longest = " ".join(texts * (1 + model.limits.max_tokens // len(texts)))
        for role in _ROLES:
            with pytest.raises(PromptTooLong):
                run(model, [longest], "token_embed", {}, role=role)
            (cut,) = run(model, [longest], "token_embed", role=role)
            assert cut.truncated_tokens > 0, role
            assert len(cut.prompt_token_ids) <= model.limits.max_tokens, role

    @needs("late interaction")
    def test_scores_follow_from_the_vectors(self, model: LLM, texts: list[str]) -> None:
        (query,) = encode(model, texts[1:2], "token_embed", role="query")
        expected = [best_matches(query, rows) for rows in encode(model, texts, "token_embed", role="document")]
        outputs = model.score(texts[1], texts, score_type="colbert", use_tqdm=False, tokenization_kwargs=dict(CUT))
        found = [output.outputs.score for output in outputs]
        assert_close(found, expected, tolerance=self.tolerance, name="sums of best matches")

    @needs("late interaction")
    def test_pooling_merges_the_vectors_of_documents_only(self, model: LLM, texts: list[str]) -> None:
        longest = [max(texts, key=len)]
        whole, merged = ({role: _merged(model, longest, role, factor) for role in _ROLES} for factor in (1, 3))
        assert 1 < len(merged["document"]) < len(whole["document"]) / 2
        assert_close(merged["document"][0], whole["document"][0], tolerance=self.tolerance, name="first vector")
        assert_close(merged["query"], whole["query"], tolerance=self.tolerance, name="query")


def _merged(model: LLM, texts: list[str], role: str, factor: int) -> NDArray[Any]:
    (output,) = run(model, texts, "token_embed", role=role, pool_factor=factor)
    return np.asarray(numbers(output))


def best_matches(query: NDArray[Any], document: NDArray[Any]) -> float:
    """Return the sum over the query's vectors of the largest product with one of the document."""
    return float((query.astype(np.float64) @ document.astype(np.float64).T).max(axis=1).sum())
