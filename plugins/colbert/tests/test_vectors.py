"""What can be asked of vectors and scores, and that neighbours change neither."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from cenote import LLM
from cenote.errors import InvalidRequest
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.compare import assert_all_close, assert_close
from cenote.testing.loras import build_lora
from cenote.types import PoolingParams

_FAMILIES = [
    "colbert_v2",
    "gte_moderncolbert",
    "pylate_attended",
    "pylate_gte",
    "pylate_nomic",
    "jina_colbert_v2",
    "lfm2_colbert",
]


@pytest.mark.parametrize("family", _FAMILIES)
@pytest.mark.parametrize("role", ["query", "document"])
def test_texts_together_give_what_each_gives_alone(
    family: str, role: str, loaded: Callable[[str], LLM], vectors: Any, texts: list[str]
) -> None:
    model = loaded(family)
    alone = [vectors(model, [text], role)[0] for text in texts]
    assert_all_close(vectors(model, texts, role), alone, tolerance=2e-5)
    assert model.report()["execution"].startswith("packed")


@pytest.mark.parametrize("family", _FAMILIES)
def test_padded_execution_gives_the_same(
    family: str, folder_of: Callable[[str], Path], loaded: Callable[[str], LLM], vectors: Any, texts: list[str]
) -> None:
    with LLM(str(folder_of(family)), execution="padded") as padded:
        for role in ("query", "document"):
            assert_all_close(vectors(padded, texts, role), vectors(loaded(family), texts, role), tolerance=2e-5)


def test_queries_and_documents_of_one_call_do_not_mix(loaded: Callable[[str], LLM], texts: list[str]) -> None:
    model = loaded("gte_moderncolbert")
    alone = [model.score(texts[0], text, use_tqdm=False)[0].outputs.score for text in texts[1:5]]
    together = [output.outputs.score for output in model.score(texts[0], texts[1:5], use_tqdm=False)]
    assert_close(together, alone, tolerance=2e-5)


@pytest.mark.parametrize("family", ["colbert_v2", "gte_moderncolbert", "multi_vector_encoder"])
def test_scores_are_sums_of_maxima(family: str, loaded: Callable[[str], LLM], vectors: Any, texts: list[str]) -> None:
    model = loaded(family)
    (query,), documents = vectors(model, texts[:1], "query"), vectors(model, texts[1:4], "document")
    expected = [float((query @ document.T).max(1).sum()) for document in documents]
    found = [output.outputs.score for output in model.score(texts[0], texts[1:4], use_tqdm=False)]
    assert_close(found, expected, tolerance=2e-5)
    ranked = model.rerank(texts[0], texts[1:4], use_tqdm=False)
    assert [item.index for item in ranked] == sorted(range(3), key=lambda index: -expected[index])


def test_limits_of_the_two_sides_cut_them(loaded: Callable[[str], LLM], texts: list[str]) -> None:
    model = loaded("gte_moderncolbert")
    limits = {"max_tokens_per_query": 4, "max_tokens_per_doc": 5}
    (cut,) = model.score(texts[0] * 9, texts[1] * 9, use_tqdm=False, tokenization_kwargs=limits)
    (whole,) = model.score(texts[0], texts[1], use_tqdm=False)
    assert cut.outputs.score != whole.outputs.score


def test_the_distance_of_colbert_ai_is_a_similarity_of_its_own(edited: Any, loaded: Any, texts: list[str]) -> None:
    with LLM(str(edited("colbert_v2", {"artifact.metadata": {"similarity": "l2"}}))) as model:
        (found,) = model.score(texts[0], texts[1], use_tqdm=False)
    (other,) = loaded("colbert_v2").score(texts[0], texts[1], use_tqdm=False)
    # Vectors have length 1: minus the squared distance is 2 * cosine - 2, for each of the 32 of the query.
    assert_close(found.outputs.score, 2 * other.outputs.score - 64, tolerance=1e-4)


def test_use_activation_decides_on_the_length_of_vectors(loaded: Callable[[str], LLM], vectors: Any) -> None:
    raw, unit = (
        vectors(loaded("colbert_v2"), ["what is it"], "query", PoolingParams(use_activation=wanted))[0]
        for wanted in (False, True)
    )
    assert np.abs(np.linalg.norm(raw, axis=1) - 1).max() > 1e-2
    assert_close(unit, raw / np.linalg.norm(raw, axis=1, keepdims=True), tolerance=1e-6)
    assert (vectors(loaded("colbert_v2"), ["what is it"], "query")[0] == unit).all()


def test_vectors_are_cut_where_a_file_says_that_they_may_be(
    folder_of: Callable[[str], Path], loaded: Callable[[str], LLM], vectors: Any
) -> None:
    asked = PoolingParams(dimensions=8)
    with pytest.raises(InvalidRequest, match="matryoshka"):
        vectors(loaded("jina_colbert_v2"), ["what"], "query", asked)
    with LLM(str(folder_of("gte_moderncolbert")), hf_overrides={"matryoshka_dimensions": [8, 16]}) as model:
        (found,) = vectors(model, ["what"], "query", asked)
        (raw,) = vectors(model, ["what"], "query", PoolingParams(use_activation=False))
    assert_close(found, raw[:, :8] / np.linalg.norm(raw[:, :8], axis=1, keepdims=True), tolerance=1e-6)


def test_jina_colbert_can_be_cut_to_the_sizes_that_it_was_trained_for(edited: Any, vectors: Any) -> None:
    folder = edited("jina_colbert_v2", {})
    tensors = load_file(folder / "model.safetensors")
    width = tensors["linear.weight"].shape[1]
    tensors["linear.weight"] = torch.randn(128, width, generator=torch.Generator().manual_seed(1))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with LLM(str(folder)) as model:
        assert model.limits.matryoshka_dimensions == (128, 96, 64)
        (whole,) = vectors(model, ["what"], "document")
        (cut,) = vectors(model, ["what"], "document", PoolingParams(dimensions=64))
        with pytest.raises(InvalidRequest, match="100"):
            vectors(model, ["what"], "document", PoolingParams(dimensions=100))
    assert_close(cut, whole[:, :64] / np.linalg.norm(whole[:, :64], axis=1, keepdims=True), tolerance=1e-6)


def test_low_rank_adapters_change_vectors(tmp_path: Path, vectors: Any) -> None:
    folder = build_checkpoint("gte_moderncolbert", tmp_path / "model")
    lora = build_lora(folder, tmp_path / "lora", targets=["Wqkv", "Wo"])
    with LLM(str(folder), enable_lora=True, lora_modules={"own": str(lora)}) as model:
        plain, adapted = (
            vectors(model, ["what is it"], "query", params)[0] for params in (None, PoolingParams(lora="own"))
        )
    assert np.abs(plain - adapted).max() > 1e-3
