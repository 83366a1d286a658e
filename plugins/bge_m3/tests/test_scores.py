"""Scores equal those of FlagEmbedding's `compute_score`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch

from cenote import LLM
from cenote.testing.compare import assert_close

_TOLERANCE = 2e-5
_CUT = {"truncate_prompt_tokens": -1}


def _scores(llm: LLM, pairs: Any, **options: Any) -> Any:
    queries, documents = ([pair[side] for pair in pairs] for side in (0, 1))
    outputs = llm.score(queries, documents, tokenization_kwargs=_CUT, **options)
    return torch.tensor([output.outputs.score for output in outputs])


@pytest.mark.parametrize("score_type", ["dense", "sparse", "colbert"])
def test_each_score_is_the_reference_s(score_type: str, llm: LLM, golden: Mapping[str, Any]) -> None:
    found = _scores(llm, golden["pairs"], score_type=score_type)
    assert_close(found, golden["scores"][0][score_type], tolerance=_TOLERANCE)


def test_the_default_is_the_dense_score(llm: LLM, golden: Mapping[str, Any]) -> None:
    assert_close(_scores(llm, golden["pairs"]), golden["scores"][0]["dense"], tolerance=_TOLERANCE)
