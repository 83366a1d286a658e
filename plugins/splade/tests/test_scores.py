"""Scores of sparse vectors are sentence-transformers' similarities."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import SparseEncoder

from cenote import LLM
from cenote.errors import UnsupportedTask
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.compare import assert_close

_QUERIES = ["How deep is the well?", "water", "bread"]
_DOCUMENTS = ["Nobody knows how deep.", "The train leaves at 7:45.", "Bread needs flour, water and salt."]


@pytest.mark.parametrize("name", ["splade", "splade_distilbert"])
def test_scores_are_the_dot_products_of_the_reference(
    name: str, folder_of: Callable[[str], Path], encoder_of: Callable[[Path], Any]
) -> None:
    encoder = encoder_of(folder_of(name))
    queries = encoder.encode_query(_QUERIES, convert_to_sparse_tensor=False)
    documents = encoder.encode_document(_DOCUMENTS, convert_to_sparse_tensor=False)
    with LLM(str(folder_of(name))) as llm:
        pairs = llm.score(_QUERIES, _DOCUMENTS, score_type="sparse")
        many = llm.score(_QUERIES[0], _DOCUMENTS)
    found = torch.tensor([output.outputs.score for output in pairs])
    assert_close(found, encoder.similarity_pairwise(queries, documents), tolerance=2e-5)
    found = torch.tensor([output.outputs.score for output in many])
    assert_close(found, encoder.similarity(queries, documents)[0], tolerance=2e-5)


@pytest.mark.parametrize("similarity", ["cosine", "euclidean", "manhattan", None])
def test_scores_are_of_the_similarity_that_the_files_name(similarity: str | None, splade: Path, tmp_path: Path) -> None:
    folder = _with_similarity(similarity, splade, tmp_path)
    encoder = SparseEncoder(str(folder), device="cpu")
    left, right = (encoder.encode(texts, convert_to_sparse_tensor=False) for texts in (_QUERIES, _DOCUMENTS))
    with LLM(str(folder)) as llm:
        outputs = llm.score(_QUERIES, _DOCUMENTS)
        assert llm.report()["similarity"] == (similarity or "dot")
    found = torch.tensor([output.outputs.score for output in outputs])
    assert_close(found, encoder.similarity_pairwise(left, right), tolerance=2e-5)


def test_an_unknown_similarity_is_refused_when_texts_are_scored(splade: Path, tmp_path: Path) -> None:
    with LLM(str(_with_similarity("maxsim", splade, tmp_path))) as llm:
        with pytest.raises(UnsupportedTask, match=r"similarity 'maxsim'.*known: dot, cosine, euclidean, manhattan"):
            llm.score("a", "b")
        assert llm.score("a", "a", score_type="dense")[0].outputs.score == pytest.approx(1.0, abs=1e-5)


def _with_similarity(name: str | None, source: Path, root: Path) -> Path:
    folder = root / "model"
    shutil.copytree(source, folder)
    file = folder / "config_sentence_transformers.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"similarity_fn_name": name}))
    return folder


def test_the_dense_forms_are_scored_when_asked_and_as_in_vllm(folder_of: Callable[[str], Path]) -> None:
    folder = str(folder_of("splade"))
    with LLM(folder) as llm, LLM(folder, compat="vllm") as vllm:
        asked = llm.score(_QUERIES, _DOCUMENTS, score_type="dense")
        vectors = [torch.tensor(item.outputs.embedding) for item in llm.embed([*_QUERIES, *_DOCUMENTS])]
        (own,) = vllm.score(_QUERIES[0], _DOCUMENTS[:1])
        (dense,) = vllm.score(_QUERIES[0], _DOCUMENTS[:1], score_type="dense")
    cosines = torch.cosine_similarity(torch.stack(vectors[:3]), torch.stack(vectors[3:]))
    assert_close(torch.tensor([output.outputs.score for output in asked]), cosines, tolerance=2e-5)
    assert own.outputs.score == dense.outputs.score


def test_a_model_without_sparse_vectors_is_refused(tmp_path: Path) -> None:
    with LLM(str(build_checkpoint("bert", tmp_path / "bert"))) as llm:
        with pytest.raises(UnsupportedTask, match="sparse_embed"):
            llm.score("a", "b", score_type="sparse")
