"""Rerankers equal sentence-transformers' `CrossEncoder` on pairs, in every layout that it writes or reads."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from sentence_transformers import CrossEncoder

from cenote import LLM
from cenote.testing.checkpoints import build_checkpoint

QUERY = "how far is the moon"
DOCUMENTS = ["the moon is far away", "a", "ein langer Text " * 6, "384400 km"]


@pytest.mark.parametrize(
    "name",
    [
        "ms_marco_minilm",
        "ms_marco_minilm_v4",
        "bge_reranker_v2_m3",
        "gte_reranker_modernbert",
        "mxbai_rerank_v1",
        "cross_encoder_v6",
        "cross_encoder_pooled",
        "qwen3_reranker_classifier",
        "qwen3_reranker_v6",
        "zerank_2",
    ],
)
def test_scores_equal_those_of_sentence_transformers(name: str, tmp_path: Path) -> None:
    folder = build_checkpoint(name, tmp_path)
    expected = CrossEncoder(str(folder), device="cpu").predict(
        [(QUERY, document) for document in DOCUMENTS], convert_to_tensor=True, show_progress_bar=False
    )
    with LLM(str(folder)) as llm:
        found = [output.outputs.score for output in llm.score(QUERY, DOCUMENTS, use_tqdm=False)]
        alone = [llm.score(QUERY, document, use_tqdm=False)[0].outputs.score for document in DOCUMENTS]
        pairs = [{"text": QUERY, "text_pair": document} for document in DOCUMENTS]
        classified = [output.outputs.probs[0] for output in llm.classify(pairs, use_tqdm=False)]
    torch.testing.assert_close(torch.tensor(found), expected, atol=5e-6, rtol=0)
    torch.testing.assert_close(torch.tensor(alone), torch.tensor(found), atol=5e-6, rtol=0)
    assert classified == found


def test_a_stored_instruction_and_another_reach_the_template(tmp_path: Path) -> None:
    folder = build_checkpoint("qwen3_reranker_v6", tmp_path)
    pairs = [(QUERY, document) for document in DOCUMENTS]
    model = CrossEncoder(str(folder), device="cpu")
    expected = model.predict(pairs, prompt="Judge by length", convert_to_tensor=True, show_progress_bar=False)
    with LLM(str(folder)) as llm:
        results = llm.rerank(QUERY, DOCUMENTS, instruction="Judge by length", use_tqdm=False)
        found = {result.index: result.score for result in results}
    torch.testing.assert_close(torch.tensor([found[i] for i in range(len(pairs))]), expected, atol=5e-6, rtol=0)
