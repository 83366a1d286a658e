"""Language models as classifiers equal transformers' logits of the same words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    CohereConfig,
    CohereForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
)

from cenote import LLM
from cenote.checkpoints import open_checkpoint
from cenote.errors import CheckpointError, InvalidRequest
from cenote.testing.checkpoints import build_checkpoint

QUERY = "how far is the moon"
DOCUMENTS = ["the moon is far away", "a", "384400 km, give or take " * 3, "no"]
TWO_WORDS = {"classifier_from_token": ["no", "yes"], "method": "from_2_way_softmax"}


def _word_logits(folder: Path, sequences: list[list[int]], words: list[str]) -> torch.Tensor:
    """Return [n, words]: transformers' logits of words at the last token, one sequence at a time."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).train(False)
    ids = AutoTokenizer.from_pretrained(folder).convert_tokens_to_ids(words)
    with torch.inference_mode():
        return torch.stack([model(torch.tensor([item])).logits[0, -1, ids] for item in sequences])


@pytest.mark.parametrize(
    ("family", "name", "words"),
    [
        ("qwen3_reranker", "Qwen3-Reranker-0.6B", ["no", "yes"]),
        ("mxbai_rerank_v2", "mxbai-rerank-base-v2", ["0", "1"]),
        ("mxbai_rerank_v2_untied", "mxbai-rerank-large-v2", ["0", "1"]),
        ("bge_reranker_v2_gemma", "bge-reranker-v2-gemma", ["Yes"]),
    ],
)
def test_known_rerankers_need_no_flags(family: str, name: str, words: list[str], tmp_path: Path) -> None:
    folder = build_checkpoint(family, tmp_path / name)
    with LLM(str(folder)) as llm:
        outputs = llm.score(QUERY, DOCUMENTS, use_tqdm=False)
        alone = [llm.score(QUERY, document, use_tqdm=False)[0].outputs.score for document in DOCUMENTS]
        assert "known template" in llm.report()["pairs"]
    logits = _word_logits(folder, [output.prompt_token_ids for output in outputs], words)
    expected = logits[:, -1] - (logits[:, 0] if len(words) == 2 else 0)
    if family == "qwen3_reranker":
        expected = torch.sigmoid(expected)
    found = torch.tensor([output.outputs.score for output in outputs])
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)
    torch.testing.assert_close(torch.tensor(alone), found, atol=2e-5, rtol=0)


def test_the_flags_of_vllm_give_what_vllm_gives(tmp_path: Path) -> None:
    folder = build_checkpoint("mxbai_rerank_v2", tmp_path / "mxbai-rerank-base-v2")
    flags = {
        "architectures": ["Qwen2ForSequenceClassification"],
        "classifier_from_token": ["0", "1"],
        "method": "from_2_way_softmax",
    }
    with LLM(str(folder), hf_overrides=flags, compat="vllm") as llm:
        outputs = llm.score(QUERY, DOCUMENTS, use_tqdm=False)
        assert llm.report()["pairs"].startswith("one joined text")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert [output.prompt_token_ids for output in outputs] == [tokenizer(QUERY + text).input_ids for text in DOCUMENTS]
    logits = _word_logits(folder, [output.prompt_token_ids for output in outputs], ["0", "1"])
    found = torch.tensor([output.outputs.score for output in outputs])
    torch.testing.assert_close(found, torch.sigmoid(logits[:, 1] - logits[:, 0]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("compat", ["reference", "vllm"])
def test_the_flag_of_qwen3_rerankers_brings_their_template(
    compat: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = build_checkpoint("qwen3_reranker", tmp_path)
    flags = {"classifier_from_token": ["no", "yes"], "is_original_qwen3_reranker": True}
    with LLM(str(folder), hf_overrides=flags, compat=compat) as llm:
        pairs = llm.report()["pairs"]
    expected = "template (known template qwen3-reranker)" if compat == "reference" else "one joined text (default)"
    assert pairs == expected
    assert ("without a prompt template" in caplog.text) == (compat == "vllm")


def test_a_word_each_gives_a_label_each(tmp_path: Path) -> None:
    folder = build_checkpoint("qwen3_reranker", tmp_path)
    words = ["no", "yes", "Yes"]
    flags = {"classifier_from_token": words, "method": "no_post_processing"}
    with LLM(str(folder), hf_overrides=flags) as llm:
        assert llm.supported_tasks == ("classify", "token_classify")
        outputs = llm.classify(DOCUMENTS, use_tqdm=False)
    logits = _word_logits(folder, [output.prompt_token_ids for output in outputs], words)
    found = torch.tensor([output.outputs.probs for output in outputs])
    torch.testing.assert_close(found, torch.softmax(logits, dim=-1), atol=1e-5, rtol=0)


def test_the_difference_is_the_probability_of_a_softmax_over_both(tmp_path: Path) -> None:
    folder = build_checkpoint("qwen3_reranker", tmp_path)
    with LLM(str(folder), hf_overrides=TWO_WORDS) as llm:
        outputs = llm.classify(DOCUMENTS, use_tqdm=False)
        tokens = llm.encode(DOCUMENTS, pooling_task="token_classify", use_tqdm=False)
    logits = _word_logits(folder, [output.prompt_token_ids for output in outputs], ["no", "yes"])
    found = torch.tensor([output.outputs.probs[0] for output in outputs])
    torch.testing.assert_close(found, torch.softmax(logits, dim=-1)[:, 1], atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.stack([token.outputs.data[-1, 0] for token in tokens]), found, atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", ["softcap", "scale"])
def test_what_a_class_does_to_its_logits_is_done_to_those_of_words(kind: str, tmp_path: Path) -> None:
    folder = build_checkpoint("qwen3_reranker", tmp_path)
    sizes = {
        "vocab_size": 1024,
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "intermediate_size": 32,
        "pad_token_id": 0,
    }
    torch.manual_seed(1)
    model: Any = (
        Gemma2ForCausalLM(Gemma2Config(**sizes, head_dim=16, final_logit_softcapping=1.5, initializer_range=0.5))
        if kind == "softcap"
        else CohereForCausalLM(CohereConfig(**sizes, logit_scale=0.0625))
    )
    model.save_pretrained(folder)
    with LLM(str(folder), hf_overrides=TWO_WORDS, pooler_config={"use_activation": False}) as llm:
        outputs = llm.classify(DOCUMENTS, use_tqdm=False)
    logits = _word_logits(folder, [output.prompt_token_ids for output in outputs], ["no", "yes"])
    found = torch.tensor([output.outputs.probs[0] for output in outputs])
    torch.testing.assert_close(found, logits[:, 1] - logits[:, 0], atol=1e-5, rtol=0)


def test_only_the_rows_of_the_words_are_read(tmp_path: Path) -> None:
    folder = build_checkpoint("mxbai_rerank_v2_untied", tmp_path)
    rows = open_checkpoint(str(folder)).read_rows("lm_head.weight", [5, 3])
    stored = load_file(folder / "model.safetensors")["lm_head.weight"]
    assert torch.equal(rows, stored[[5, 3]])
    with pytest.raises(CheckpointError, match="rows"):
        open_checkpoint(str(folder)).read_rows("lm_head.weight", [len(stored)])
    with pytest.raises(CheckpointError, match="no tensor 'head'"):
        open_checkpoint(str(folder)).read_rows("head", [0])


def test_rows_are_read_from_pickles_too(tmp_path: Path) -> None:
    folder = build_checkpoint("mxbai_rerank_v2_untied", tmp_path / "a")
    other = build_checkpoint("mxbai_rerank_v2_untied", tmp_path / "b", safetensors=False)
    rows = [open_checkpoint(str(path)).read_rows("lm_head.weight", [5, 3]) for path in (folder, other)]
    assert torch.equal(*rows)


def test_an_output_layer_that_the_files_lack_is_an_error(tmp_path: Path) -> None:
    folder = build_checkpoint("mxbai_rerank_v2_untied", tmp_path)
    tensors = load_file(folder / "model.safetensors")
    del tensors["lm_head.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"lm_head\.weight"):
        LLM(str(folder), hf_overrides=TWO_WORDS)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"classifier_from_token": ["yes"], "method": "from_2_way_softmax"}, "needs two words"),
        ({"classifier_from_token": ["a", "b", "c"], "method": "from_2_way_softmax"}, "needs two words"),
        ({"classifier_from_token": ["yes"], "is_original_qwen3_reranker": True}, "needs two words"),
        ({"is_original_qwen3_reranker": True}, "must be a list of words"),
        ({"classifier_from_token": "yes", "method": "no_post_processing"}, "must be a list of words"),
        ({"classifier_from_token": ["no", "yes"], "method": "softmax"}, "method must be"),
        ({"classifier_from_token": ["no", "yes"]}, "method must be"),
        ({"classifier_from_token": ["no", "certainly not"], "method": "from_2_way_softmax"}, "'certainly not'"),
    ],
)
def test_wrong_flags_are_errors_that_say_what_is_wrong(flags: dict[str, Any], message: str, tmp_path: Path) -> None:
    folder = build_checkpoint("qwen3_reranker", tmp_path)
    with pytest.raises(InvalidRequest, match=message):
        LLM(str(folder), hf_overrides=flags)


def test_a_language_model_without_words_is_an_error_that_names_both_ways(tmp_path: Path) -> None:
    folder = build_checkpoint("qwen3_reranker", tmp_path)
    with pytest.raises(CheckpointError, match=r"Train a head first.*classifier_from_token"):
        LLM(str(folder), convert="classify")


def test_a_stored_module_of_another_form_is_an_error(tmp_path: Path) -> None:
    folder = build_checkpoint("qwen3_reranker_v6", tmp_path)
    (folder / "1_LogitScore" / "config.json").write_text(json.dumps({"true_token_id": "yes"}))
    with pytest.raises(CheckpointError, match="true_token_id"):
        LLM(str(folder))
