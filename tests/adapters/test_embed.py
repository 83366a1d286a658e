"""Embedders: pooling by what tokens see, sizes that vectors may be cut to, and prompts that are known."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2Model

from cenote import LLM, PoolingParams
from cenote.errors import CheckpointError, InvalidRequest
from cenote.testing.checkpoints import build_checkpoint


def _vector(llm: LLM, prompt: Any = "a text", **params: Any) -> torch.Tensor:
    return torch.tensor(llm.embed(prompt, use_tqdm=False, **params)[0].outputs.embedding)


@pytest.mark.parametrize(
    ("name", "architecture", "compat", "attention", "method"),
    [
        ("bert", "BertModel", "reference", "bidirectional", "MEAN"),
        ("bert", "BertModel", "vllm", "bidirectional", "CLS"),
        ("qwen3", "Qwen3Model", "reference", "causal", "LAST"),
        ("qwen3", "Qwen3ForCausalLM", "reference", "causal", "LAST"),
        ("qwen3", "Qwen3ForCausalLM", "vllm", "causal", "LAST"),
        ("eurobert", "EuroBertModel", "reference", "bidirectional", "MEAN"),
    ],
)
def test_without_files_pooling_follows_what_tokens_see(
    name: str,
    architecture: str,
    compat: str,
    attention: str,
    method: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = build_checkpoint(name, tmp_path, sentence_transformers=False, config={"architectures": [architecture]})
    with caplog.at_level(logging.INFO), LLM(str(folder), compat=compat) as llm:
        report = llm.report()
        tokens = llm.encode("a text", pooling_task="token_embed", use_tqdm=False)[0].outputs.data
        vector = _vector(llm)
    assert report["attention"] == attention
    assert report["pooling"] == f"{method} (pooler_default)"
    assert f"no file names a method, and attention is {attention}" in caplog.text
    if method != "MEAN":  # token vectors are normalised one by one, which a mean of them is not
        torch.testing.assert_close(vector, tokens[-1 if method == "LAST" else 0])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_projection_that_is_broken_is_told_before_anything_is_embedded(value: float, tmp_path: Path) -> None:
    folder = build_checkpoint("embeddinggemma", tmp_path)
    (file, *_) = sorted(folder.glob("*_Dense/model.safetensors"))
    tensors = load_file(file)
    tensors["linear.weight"][0, 0] = value
    save_file(tensors, file)
    with pytest.raises(CheckpointError, match=r"Dense: linear.weight holds NaN or infinity"):
        LLM(str(folder))


def test_a_bare_language_model_is_read_at_its_last_token(tmp_path: Path) -> None:
    folder = build_checkpoint("qwen2", tmp_path, sentence_transformers=False)
    torch.manual_seed(1)
    config = GPT2Config(vocab_size=1024, n_positions=64, n_embd=32, n_layer=2, n_head=2, architectures=["GPT2Model"])
    GPT2Model(config).save_pretrained(folder)
    with LLM(str(folder)) as llm:
        assert llm.report()["pooling"] == "LAST (pooler_default)"


@pytest.mark.parametrize("where", ["config.json", "config_sentence_transformers.json"])
def test_sizes_of_either_file_are_the_only_ones_allowed(where: str, tmp_path: Path) -> None:
    folder = build_checkpoint("bert", tmp_path)
    settings = json.loads((folder / where).read_text())
    (folder / where).write_text(json.dumps({**settings, "matryoshka_dimensions": [8, 16]}))
    with LLM(str(folder), pooler_config={"dimensions": 16}) as llm:
        assert len(_vector(llm)) == 16
        with pytest.raises(InvalidRequest, match="must be one of 8, 16, not 12"):
            _vector(llm, pooling_params=_cut(12))
    with pytest.raises(InvalidRequest, match="must be one of 8, 16, not 4"):
        LLM(str(folder), pooler_config={"dimensions": 4})


def _cut(size: int) -> PoolingParams:
    return PoolingParams(dimensions=size)


def test_any_size_may_be_asked_of_a_model_that_says_so(tmp_path: Path) -> None:
    folder = build_checkpoint("bert", tmp_path)
    with pytest.raises(InvalidRequest, match="does not support matryoshka"):
        LLM(str(folder), pooler_config={"dimensions": 5})
    with LLM(str(folder), hf_overrides={"is_matryoshka": True}, pooler_config={"dimensions": 5}) as llm:
        assert len(_vector(llm)) == 5
        assert len(_vector(llm, pooling_params=_cut(7))) == 7


@pytest.mark.parametrize("sizes", ["16", [0], [8.5], [True]])
def test_sizes_that_are_no_sizes_are_an_error(sizes: Any, tmp_path: Path) -> None:
    folder = build_checkpoint("bert", tmp_path)
    with pytest.raises(CheckpointError, match="matryoshka_dimensions must be"):
        LLM(str(folder), hf_overrides={"matryoshka_dimensions": sizes})


def test_prompts_of_the_model_card_are_offered_and_used_when_asked_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = build_checkpoint("bert", tmp_path / "e5-small-v2", prompts={})
    with caplog.at_level(logging.INFO), LLM(str(folder)) as llm:
        assert "known_prompts=True" in caplog.text
        with pytest.raises(InvalidRequest, match="Prompts of this model: none"):
            _vector(llm, pooling_params=_named("query"))
        wanted = _vector(llm, "query: a text")
    with LLM(str(folder), known_prompts=True) as llm:
        torch.testing.assert_close(_vector(llm, pooling_params=_named("query")), wanted)
        assert "known prompts of" in llm.report()["prompts"]


def test_stored_prompts_win_over_known_ones(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = build_checkpoint("bert", tmp_path / "e5-small-v2", prompts={"query": "ask: "})
    with caplog.at_level(logging.INFO), LLM(str(folder), known_prompts=True) as llm:
        asked = _vector(llm, pooling_params=_named("query"))
        torch.testing.assert_close(asked, _vector(llm, "ask: a text"))
    assert "model card" not in caplog.text


def _named(name: str) -> PoolingParams:
    return PoolingParams(prompt_name=name)


def test_token_vectors_may_be_pooled_by_step(tmp_path: Path) -> None:
    folder = build_checkpoint("bert", tmp_path)
    with LLM(str(folder)) as llm:
        (plain,) = llm.encode("a text", pooling_task="token_embed", use_tqdm=False)
    tag = plain.prompt_token_ids[-1]
    with LLM(str(folder), pooler_config={"tok_pooling_type": "STEP", "step_tag_id": tag}) as llm:
        (stepped,) = llm.encode("a text", pooling_task="token_embed", use_tqdm=False)
    torch.testing.assert_close(stepped.outputs.data, plain.outputs.data[-1:])
