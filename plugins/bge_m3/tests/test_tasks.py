"""What each task gives, from one pass and alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cenote import LLM, PoolingParams
from cenote.engine import AsyncLLM
from cenote.errors import InvalidRequest, UnsupportedTask
from cenote.inputs import parse_prompts
from cenote.testing.compare import assert_all_close, assert_close
from cenote.testing.texts import sample_texts
from cenote.types import PoolingBatch, PoolingRow
from cenote_bge_m3.heads import Head
from cenote_bge_m3.weights import Ends, WeightPooler

_TOLERANCE = 2e-5
_TASKS = ("embed", "sparse_embed", "token_embed", "token_classify")
_CUT = {"truncate_prompt_tokens": -1}


def _run(llm: LLM, prompts: Any, task: str, **params: Any) -> list[Any]:
    return llm.encode(prompts, PoolingParams(**params), pooling_task=task, tokenization_kwargs=_CUT)


def _data(llm: LLM, prompts: Any, task: str, **params: Any) -> list[Any]:
    return [output.outputs.data for output in _run(llm, prompts, task, **params)]


def test_all_forms_cost_one_forward(folder: Path, llm: LLM) -> None:
    async def together() -> tuple[list[Any], int]:
        engine = AsyncLLM(str(folder))
        try:
            prompts = parse_prompts(sample_texts()[:5])
            found = await engine.run(prompts, task=_TASKS[0], also=_TASKS[1:])
            return [item.outputs.by_task for item in found], engine.stats().forwards
        finally:
            await engine.shutdown()

    found, forwards = asyncio.run(together())
    assert forwards == 1
    for task in _TASKS:
        alone = [rows.to_dense() for rows in _data(llm, sample_texts()[:5], task)]
        assert_all_close([item[task].to_dense() for item in found], alone, tolerance=_TOLERANCE, name=task)


def test_outputs_names_three_forms_of_one_pass(llm: LLM) -> None:
    before = llm.stats().forwards
    (found,) = llm.encode("How deep is the well?", outputs=["dense", "sparse", "multi"])
    assert llm.stats().forwards == before + 1
    (terms,) = llm.sparse_embed("How deep is the well?")
    assert found.outputs.dense.shape == (32,)
    assert found.outputs.sparse == terms.outputs
    assert len(terms.outputs.tokens) == len(terms.outputs.indices) > 3
    assert found.outputs.positions == list(range(1, len(found.prompt_token_ids)))
    assert len(found.outputs.multi) == len(found.outputs.positions)


def test_without_activation_the_numbers_are_those_of_the_layers(llm: LLM, in_transformers: Callable[..., Any]) -> None:
    texts = sample_texts()
    plain = [in_transformers(text) for text in texts]
    expected = {
        "embed": [each.dense for each in plain],
        "token_embed": [each.vectors for each in plain],
        "token_classify": [each.numbers for each in plain],
    }
    assert any((numbers < 0).any() for numbers in expected["token_classify"])
    for task, rows in expected.items():
        assert_all_close(_data(llm, texts, task, use_activation=False), rows, tolerance=_TOLERANCE, name=task)


def test_a_server_may_leave_the_activation_out(folder: Path, in_transformers: Callable[..., Any]) -> None:
    text = "How deep is the well?"
    plain = in_transformers(text)
    with LLM(str(folder), pooler_config={"use_activation": False}) as llm:
        assert_close(_data(llm, text, "embed")[0], plain.dense, tolerance=_TOLERANCE)
        assert_close(_data(llm, text, "token_embed")[0], plain.vectors, tolerance=_TOLERANCE)
        assert_close(_data(llm, text, "token_classify")[0], plain.numbers, tolerance=_TOLERANCE)
        assert_close(_data(llm, text, "token_classify", use_activation=True)[0], plain.numbers.relu(), tolerance=1e-5)
        (terms,) = _data(llm, text, "sparse_embed")
    assert float(terms.values().min()) > 0


@pytest.mark.parametrize(
    ("ids", "vectors", "weights"),
    [
        ([0, 40, 41, 2], [1, 2, 3], 2),
        ([40, 41], [0, 1], 2),
        ([40, 41, 2], [0, 1, 2], 2),
        ([0, 40, 2, 41], [1, 2, 3], 3),
        ([0, 2], [1], 0),
        ([0], [], 0),
        ([2], [0], 0),
    ],
)
def test_ids_are_taken_as_they_are(ids: list[int], vectors: list[int], weights: int, llm: LLM) -> None:
    (found,) = _run(llm, [ids], "token_embed")
    assert found.outputs.positions == vectors
    assert found.outputs.data.shape == (len(vectors), 32)
    assert _data(llm, [ids], "token_classify")[0].shape == (weights,)
    (terms,) = _data(llm, [ids], "sparse_embed")
    assert set(terms.indices()[0].tolist()) <= set(ids) - {0, 1, 2, 3}


def test_smaller_embeddings_and_steps_are_refused(llm: LLM) -> None:
    with pytest.raises(InvalidRequest, match="does not support matryoshka") as caught:
        _run(llm, "x", "embed", dimensions=8)
    assert caught.value.param == "dimensions"
    with pytest.raises(InvalidRequest, match="STEP"):
        _run(llm, "x", "token_classify", step_tag_id=5)
    with pytest.raises(UnsupportedTask):
        _run(llm, "x", "classify")


class _Largest(TorchDispatchMode):
    """Sees how many numbers each tensor has that is computed; sparse ones count by their values."""

    numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for part in result if isinstance(result, tuple | list) else (result,):
            if isinstance(part, torch.Tensor) and not part.is_sparse:
                self.numbers = max(self.numbers, part.numel())
        return result


def test_nothing_of_the_size_of_the_vocabulary_is_computed() -> None:
    pooler = WeightPooler(
        head=Head(weight=torch.ones(1, 4), bias=torch.zeros(1)),
        ends=Ends(0, 2),
        unused=(0, 2, 1, 3),
        vocabulary=250_002,
    )
    ids = (0, 250_001, 7, 250_001, 9, 2)
    rows = tuple(
        PoolingRow(length=len(ids), tasks=("sparse_embed", "token_classify"), params=PoolingParams(), token_ids=ids)
        for _ in range(3)
    )
    hidden = torch.arange(72.0).reshape(18, 4) - 11
    with _Largest() as seen:
        found = pooler(hidden, PoolingBatch(rows))
    assert 0 < seen.numbers <= hidden.numel()
    assert [row["sparse_embed"].shape for row in found] == [(250_002,)] * 3
    assert found[0]["sparse_embed"].indices().tolist() == [[9, 250_001]]  # the numbers before them are negative
    assert found[1]["sparse_embed"].indices().tolist() == [[7, 9, 250_001]]


def test_what_is_no_number_is_found(llm: LLM) -> None:
    pooler = WeightPooler(
        head=Head(weight=torch.ones(1, 4), bias=torch.zeros(1)), ends=Ends(0, 2), unused=(0,), vocabulary=9
    )
    row = PoolingRow(length=2, tasks=("sparse_embed",), params=PoolingParams(), token_ids=(5, 5))
    (found,) = pooler(torch.tensor([[1.0] * 4, [torch.nan] * 4]), PoolingBatch((row,)))
    assert found["sparse_embed"].values().isnan().all()
