"""Sparse vectors, their dense form and token vectors, of one pass and of many batches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from cenote import LLM, PoolingParams
from cenote.engine import AsyncLLM
from cenote.errors import InvalidRequest
from cenote.inputs import parse_prompts
from cenote.testing.compare import assert_all_close, assert_close

_CUT = {"truncate_prompt_tokens": -1}
_TOLERANCE = 2e-5


def _data(llm: LLM, prompts: Any, task: str, **params: Any) -> list[Any]:
    wanted = PoolingParams(**params)
    return [item.outputs.data for item in llm.encode(prompts, wanted, pooling_task=task, tokenization_kwargs=_CUT)]


@pytest.mark.parametrize("name", ["splade", "splade_distilbert", "splade_roberta", "splade_modernbert"])
def test_the_sparse_form_is_the_reference_without_its_zeros(
    name: str, folder_of: Callable[[str], Path], encode: Any, texts: list[str]
) -> None:
    folder = folder_of(name)
    with LLM(str(folder)) as llm:
        rows = _data(llm, texts, "sparse_embed")
    assert_all_close([row.to_dense() for row in rows], encode(folder, texts), tolerance=_TOLERANCE)
    for row in rows:
        assert row.is_coalesced()
        assert row.values().min() > 0
        assert torch.equal(row.indices()[0], row.indices()[0].sort().values)


def test_all_forms_of_a_text_come_from_one_pass(llm: LLM, splade: Path, texts: list[str]) -> None:
    async def together() -> tuple[list[Any], int]:
        engine = AsyncLLM(str(splade))
        try:
            prompts = parse_prompts(texts[:4])
            found = await engine.run(prompts, task="embed", also=("sparse_embed", "token_embed"))
            return [item.outputs.by_task for item in found], engine.stats().forwards
        finally:
            await engine.shutdown()

    found, forwards = asyncio.run(together())
    assert forwards == 1
    for task in ("embed", "sparse_embed", "token_embed"):
        parts = [item[task].to_dense() for item in found]
        assert_all_close(parts, [row.to_dense() for row in _data(llm, texts[:4], task)], tolerance=_TOLERANCE)


def test_only_the_dense_form_is_normalised_and_only_when_asked(llm: LLM, texts: list[str]) -> None:
    (raw,), (unit,) = (_data(llm, texts[:1], "embed", use_activation=use) for use in (None, True))
    assert raw.norm() > 1.5
    assert_close(unit, raw / raw.norm(), tolerance=_TOLERANCE)
    (tokens,) = _data(llm, texts[:1], "token_embed")
    assert_close(tokens.norm(dim=-1), torch.ones(len(tokens)), tolerance=_TOLERANCE)


def test_as_in_vllm_the_special_tokens_give_no_terms(splade: Path, texts: list[str]) -> None:
    model = AutoModelForMaskedLM.from_pretrained(splade).eval()
    tokenizer = AutoTokenizer.from_pretrained(splade)
    with torch.inference_mode():
        batches = [tokenizer(text, truncation=True, max_length=128, return_tensors="pt") for text in texts]
        logits = [model(**batch).logits[0, 1:-1] for batch in batches]
    expected = [rows.relu().log1p().amax(dim=0) for rows in logits]
    with LLM(str(splade), compat="vllm") as llm:
        assert "left out" in llm.report()["terms"]
        assert_all_close(_data(llm, texts, "embed"), expected, tolerance=_TOLERANCE)
        (bare,) = _data(llm, [[tokenizer.cls_token_id, tokenizer.sep_token_id]], "sparse_embed")
        assert bare.values().numel() == 0


@pytest.mark.parametrize("name", ["splade", "splade_roberta"])
def test_a_part_of_the_vocabulary_is_no_smaller_embedding(name: str, folder_of: Callable[[str], Path]) -> None:
    with LLM(str(folder_of(name)), hf_overrides={"matryoshka_dimensions": [8]}) as llm:
        with pytest.raises(InvalidRequest, match="matryoshka"):
            llm.embed("x", pooling_params=PoolingParams(dimensions=8))


def test_chunks_of_a_document_have_vectors_of_their_own(llm: LLM, splade: Path) -> None:
    chunks = ["The water is deep. ", "Nobody knows how deep."]
    found = torch.tensor([output.outputs.embedding for output in llm.embed_chunks([chunks])[0]])
    (whole,) = _data(llm, ["".join(chunks)], "embed")
    assert found.shape == (2, llm.limits.embedding_size)
    assert_close(found.amax(dim=0), whole, tolerance=_TOLERANCE)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_short_format_of_the_backbone_leaves_the_head_in_float32(dtype: str, splade: Path, texts: list[str]) -> None:
    kind = getattr(torch, dtype)
    head = AutoModelForMaskedLM.from_pretrained(splade, dtype=kind).eval().cls

    def weights(rows: list[Any], head: Any) -> list[Any]:
        with torch.inference_mode():
            return [head(part).float().relu().log1p().amax(dim=0) for part in rows]

    with LLM(str(splade), dtype=dtype) as short:
        hidden = _data(short, texts[:3], "token_embed", use_activation=False)
        found = _data(short, texts[:3], "embed")
    rounded = weights([part.to(kind) for part in hidden], head)
    assert_all_close(found, weights(hidden, head.float()), tolerance=_TOLERANCE)
    # A head in the short format would be seen.
    assert max((one - other).abs().max() for one, other in zip(found, rounded, strict=True)) > 20 * _TOLERANCE
