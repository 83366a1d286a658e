"""Scores of sparse vectors are sentence-transformers' similarities."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

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
