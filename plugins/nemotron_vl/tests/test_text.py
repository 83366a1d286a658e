"""The siblings that read texts alone: vectors and scores of the models' own computation, and how prompts begin."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cenote import LLM
from cenote.errors import CheckpointError

_EMBED, _RERANK = "llama_bidirectional", "llama_bidirectional_rerank"
_TEXTS = ["Ground water.", "a much longer text about the water under ground, and what it fills", "x"]

Edit = Callable[..., Path]


def _without_prompts(edited: Edit) -> Path:
    """Return an embedder as it is without the files of Sentence-Transformers."""
    folder = edited(_EMBED)
    for name in ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json"):
        (folder / name).unlink()
    return folder


@pytest.mark.parametrize(("role", "prefix"), [("query", "query: "), ("document", "passage: "), (None, "")])
@pytest.mark.parametrize("stored", [True, False])
def test_vectors_are_those_of_the_model_itself(
    edited: Edit, folder_of: Any, reference: Any, role: Any, prefix: str, stored: bool
) -> None:
    folder = folder_of(_EMBED) if stored else _without_prompts(edited)
    model = reference.language_model(folder, "")
    with LLM(str(folder)) as llm:
        for text, output in zip(_TEXTS, llm.embed(_TEXTS, role=role), strict=True):
            assert list(output.prompt_token_ids) == llm.get_tokenizer().encode(prefix + text)
            mean = reference.hidden_states(model, output.prompt_token_ids).mean(0)
            assert np.abs(np.array(output.outputs.embedding) - (mean / mean.norm()).numpy()).max() < 2e-5


def test_config_json_names_the_pooling_where_no_other_file_does(edited: Edit, reference: Any) -> None:
    folder = _without_prompts(edited)
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"avg"', '"last"'))
    model = reference.language_model(folder, "")
    with LLM(str(folder)) as llm:
        assert llm.report()["pooling"] == "LAST (config.json)"
        (output,) = llm.embed(["a text"])
        last = reference.hidden_states(model, output.prompt_token_ids)[-1]
        assert np.abs(np.array(output.outputs.embedding) - (last / last.norm()).numpy()).max() < 2e-5


def _logits(folder: Path, reference: Any, llm: LLM, query: str) -> list[float]:
    model = reference.language_model(folder, "model.")
    weight = load_file(folder / "model.safetensors")["score.weight"].float()
    found = []
    for text in _TEXTS:
        ids = llm.get_tokenizer().encode(f"question:{query} \n \n passage:{text}")
        found.append(float((weight @ reference.hidden_states(model, ids).mean(0))[0]))
    return found


def test_a_score_is_the_logit_divided_by_the_temperature(folder_of: Any, reference: Any) -> None:
    folder = folder_of(_RERANK)
    with LLM(str(folder)) as llm:
        found = [output.outputs.score for output in llm.score("what fills it", _TEXTS)]
        expected = [logit / 2.5 for logit in _logits(folder, reference, llm, "what fills it")]
    assert found == pytest.approx(expected, abs=2e-5)


def test_with_vllms_meaning_it_is_the_sigmoid_of_the_logit_of_both_texts_as_a_pair(
    folder_of: Any, reference: Any
) -> None:
    folder = folder_of(_RERANK)
    model = reference.language_model(folder, "model.")
    weight = load_file(folder / "model.safetensors")["score.weight"].float()
    with LLM(str(folder), compat="vllm") as llm:
        for output in llm.score("what fills it", _TEXTS):
            logit = float((weight @ reference.hidden_states(model, output.prompt_token_ids).mean(0))[0])
            assert output.outputs.score == pytest.approx(1 / (1 + math.exp(-logit)), abs=2e-5)


def test_a_foreign_model_type_or_tensor_is_refused(edited: Edit) -> None:
    with pytest.raises(CheckpointError, match="model_type"):
        LLM(str(edited(_EMBED, {"config.json": {"model_type": "qwen3"}})))
    with pytest.raises(CheckpointError, match="no place"):
        LLM(str(edited(_EMBED, added={"layers.0.self_attn.gate.weight": torch.ones(2)})))
    with pytest.raises(CheckpointError, match=r"score\.weight"):
        LLM(str(edited(_RERANK, rename=lambda name: None if name == "score.weight" else name)))
