"""All forms of an embedding equal FlagEmbedding's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cenote import LLM
from cenote.testing.compare import assert_all_close

_TOLERANCE = 2e-5
_CUT = {"truncate_prompt_tokens": -1}


def _data(llm: LLM, texts: Any, task: str) -> list[Any]:
    return [output.outputs.data for output in llm.encode(texts, pooling_task=task, tokenization_kwargs=_CUT)]


@pytest.fixture(scope="module", params=["reference", "vllm"])
def model(request: pytest.FixtureRequest, folder: Path) -> Any:
    """The model as by default, and as vLLM runs it, which gives the same numbers."""
    with LLM(str(folder), compat=request.param) as loaded:
        yield loaded


@pytest.mark.parametrize(("task", "key"), [("embed", "dense"), ("token_embed", "colbert")])
def test_vectors_are_the_reference_s(task: str, key: str, model: LLM, golden: Mapping[str, Any]) -> None:
    expected = [np.asarray(rows) for rows in golden[key]]
    assert_all_close(_data(model, golden["texts"], task), expected, tolerance=_TOLERANCE, name=key)
    alone = [_data(model, [text], task)[0] for text in golden["texts"]]
    assert_all_close(alone, expected, tolerance=_TOLERANCE, name=f"{key} alone")


def test_terms_are_the_reference_s(model: LLM, golden: Mapping[str, Any]) -> None:
    rows = _data(model, golden["texts"], "sparse_embed")
    assert sum(map(len, golden["sparse"])) > 100
    for row, expected in zip(rows, golden["sparse"], strict=True):
        assert row.indices()[0].tolist() == [int(key) for key in expected]
        np.testing.assert_allclose(row.values(), list(expected.values()), atol=_TOLERANCE)


def test_terms_are_the_weights_of_tokens_merged(model: LLM, golden: Mapping[str, Any]) -> None:
    tokenizer = model.get_tokenizer()
    unused = {tokenizer.cls_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id}
    outputs = model.encode(golden["texts"], pooling_task="token_classify", tokenization_kwargs=_CUT)
    for output, expected in zip(outputs, golden["sparse"], strict=True):
        weights = output.outputs.data.tolist()
        ids = output.prompt_token_ids[1:-1]
        merged: dict[int, float] = {}
        for each, weight in zip(ids, weights, strict=True):
            if each not in unused and weight > 0:
                merged[each] = max(merged.get(each, 0.0), weight)
        assert sorted(merged) == [int(key) for key in expected]
        np.testing.assert_allclose([merged[each] for each in sorted(merged)], list(expected.values()), atol=_TOLERANCE)
