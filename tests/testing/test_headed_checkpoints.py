"""The look-alike checkpoints of classifiers, rerankers, reward models and other special layouts are as published."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file
from sentence_transformers import CrossEncoder, SentenceTransformer

from cenote.testing.checkpoints import HEADED, STATIC, build_backbone, build_checkpoint, build_static, family
from cenote.testing.texts import sample_texts

_LIMIT_BYTES = 300_000
_NATIVE = tuple(name for name in HEADED if family(name).native_layout and family(name).heads is None)
_PAIRS = [("How deep is the well?", "Nobody knows."), ("water", "The train leaves at 7:45."), ("x", "y z")]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("headed")
    built = {name: build_checkpoint(name, root / name) for name in HEADED}
    return built | {name: build_static(name, root / name) for name in STATIC}


def _tensors(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def _tokenizer(folder: Path) -> Any:
    return transformers.AutoTokenizer.from_pretrained(folder)


def test_every_checkpoint_is_small(folders: dict[str, Path]) -> None:
    sizes = {
        name: sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        for name, folder in folders.items()
    }
    assert {name: size for name, size in sizes.items() if size > _LIMIT_BYTES} == {}


@pytest.mark.parametrize("name", _NATIVE)
def test_transformers_class_reads_every_weight(name: str, folders: dict[str, Path]) -> None:
    model_class = getattr(transformers, family(name).model_class)
    model, info = model_class.from_pretrained(folders[name], output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["mismatched_keys"]
    expected = build_backbone(name).state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", [name for name in _NATIVE if name.endswith("_classifier")])
def test_the_logits_differ_clearly_between_texts(name: str, folders: dict[str, Path]) -> None:
    model = getattr(transformers, family(name).model_class).from_pretrained(folders[name]).eval()
    tokenizer = _tokenizer(folders[name])
    with torch.inference_mode():
        rows = [model(**tokenizer(text, return_tensors="pt")).logits.flatten(0, -2)[-1] for text in sample_texts()]
    assert torch.stack(rows).std(dim=0).min() > 0.1


def test_labels_may_be_chosen(tmp_path: Path) -> None:
    folder = build_checkpoint("bert_classifier", tmp_path, labels=("no", "yes"))
    assert transformers.AutoConfig.from_pretrained(folder).id2label == {0: "no", 1: "yes"}
    assert _tensors(folder)["classifier.weight"].shape == (2, 32)


@pytest.mark.parametrize(
    ("name", "prefix", "expected"),
    [
        ("bert", "bert.", "bert.embeddings.word_embeddings.weight"),
        ("xlm_roberta", "roberta.", "roberta.embeddings.word_embeddings.weight"),
        ("gte", "", "embeddings.word_embeddings.weight"),
        ("gte_multilingual_reranker", "", "embeddings.word_embeddings.weight"),
        ("gte_reranker_modernbert", "", "embeddings.tok_embeddings.weight"),
        ("qwen3", "model.", "model.embed_tokens.weight"),
    ],
)
def test_a_prefix_may_be_chosen(name: str, prefix: str, expected: str, tmp_path: Path) -> None:
    folder = build_checkpoint(name, tmp_path, prefix=prefix)
    names = set(_tensors(folder))
    assert expected in names
    heads = {item for item in names if not item.startswith(prefix)}
    assert all(item.startswith(("classifier", "head")) for item in heads)


def test_the_pooling_layer_may_be_left_out(tmp_path: Path) -> None:
    with_it = set(_tensors(build_checkpoint("bert", tmp_path / "with")))
    without = set(_tensors(build_checkpoint("bert", tmp_path / "without", pooler=False)))
    assert with_it - without == {"pooler.dense.weight", "pooler.dense.bias"}


@pytest.mark.parametrize("name", ["qwen3_reranker", "mxbai_rerank_v2", "bge_reranker_v2_gemma"])
def test_answers_are_single_tokens_of_a_rerankers_vocabulary(name: str, folders: dict[str, Path]) -> None:
    tokenizer = _tokenizer(folders[name])
    for word in ("yes", "no", "Yes", "0", "1"):
        ids = tokenizer(word, add_special_tokens=False)["input_ids"]
        assert ids == [tokenizer.convert_tokens_to_ids(word)]
        assert ids != [tokenizer.unk_token_id]


def test_only_an_untied_reranker_stores_an_output_layer(folders: dict[str, Path]) -> None:
    tied = ("qwen3_reranker", "mxbai_rerank_v2", "bge_reranker_v2_gemma")
    assert not any("lm_head.weight" in _tensors(folders[name]) for name in tied)
    assert "lm_head.weight" in _tensors(folders["mxbai_rerank_v2_untied"])


@pytest.mark.parametrize(
    ("name", "activation"),
    [
        ("ms_marco_minilm", "Identity"),
        ("ms_marco_minilm_v4", "Identity"),
        ("bge_reranker_v2_m3", "Sigmoid"),
        ("cross_encoder_v6", "Identity"),
        ("cross_encoder_pooled", "Sigmoid"),
        ("qwen3_reranker_v6", "Sigmoid"),
        ("qwen3_reranker_classifier", "Sigmoid"),
        ("zerank_2", "Identity"),
    ],
)
def test_sentence_transformers_scores_with_it(name: str, activation: str, folders: dict[str, Path]) -> None:
    model = CrossEncoder(str(folders[name]), device="cpu")
    assert type(model.activation_fn).__name__ == activation
    scores = sorted(float(score) for score in model.predict(_PAIRS))
    assert min(b - a for a, b in pairwise(scores)) > 1e-3


def test_a_reranker_of_sentence_transformers_renders_queries_and_documents(folders: dict[str, Path]) -> None:
    messages = [{"role": "query", "content": "deep?"}, {"role": "document", "content": "Very."}]
    text = _tokenizer(folders["qwen3_reranker_v6"]).apply_chat_template(messages, tokenize=False)
    assert "<Query>: deep?\n<Document>: Very.<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n" in text


def test_conversations_are_rendered_as_published(folders: dict[str, Path]) -> None:
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Step.<extra_0>"}]
    math = _tokenizer(folders["qwen_math_prm"])
    text = math.apply_chat_template(messages, tokenize=False)
    assert text.startswith(
        "<|im_start|>system\nPlease reason step by step, and put your final answer within \\boxed{}."
    )
    assert math.convert_tokens_to_ids("<extra_0>") in math(text)["input_ids"]
    llama = _tokenizer(folders["skywork_reward"]).apply_chat_template(messages[:1], tokenize=False)
    assert llama == "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|>"


def test_internlm2_packs_queries_keys_and_values_by_group(folders: dict[str, Path]) -> None:
    packed = _tensors(folders["internlm2_reward"])["model.layers.1.attention.wqkv.weight"].view(2, 4, 8, 32)
    plain = build_backbone("internlm2_reward").state_dict()
    queries, keys, values = (plain[f"layers.1.self_attn.{name}_proj.weight"] for name in "qkv")
    assert torch.equal(packed[:, :2].reshape(32, 32), queries)
    assert torch.equal(packed[:, 2].reshape(16, 32), keys)
    assert torch.equal(packed[:, 3].reshape(16, 32), values)


def test_jina_stores_each_matrix_with_five_low_rank_adapters(folders: dict[str, Path]) -> None:
    config = json.loads((folders["jina_embeddings_v3"] / "config.json").read_text())
    assert "model_type" not in config
    tensors = _tensors(folders["jina_embeddings_v3"])
    stem = "roberta.encoder.layers.0.mixer.Wqkv.parametrizations.weight"
    assert tensors[f"{stem}.original"].shape == (96, 32)
    assert tensors[f"{stem}.0.lora_A"].shape == (5, 4, 32)
    assert tensors[f"{stem}.0.lora_B"].shape == (5, 96, 4)
    words = "roberta.embeddings.word_embeddings.parametrizations.weight"
    rows = config["vocab_size"]
    assert tensors[f"{words}.0.lora_A"].shape == (5, rows, 4)
    assert tensors[f"{words}.0.lora_B"].shape == (5, 4, 32)
    assert not any(name.endswith("Wqkv.weight") for name in tensors)


@pytest.mark.parametrize("name", ["arctic", "e5_mistral", "eurobert", *STATIC])
def test_sentence_transformers_embeds_with_it(name: str, folders: dict[str, Path]) -> None:
    model = SentenceTransformer(str(folders[name]), device="cpu")
    assert model.encode(["water", "How deep?"]).shape == (2, 32)


def test_a_static_table_may_be_shared_between_tokens(tmp_path: Path) -> None:
    folder = build_static("model2vec", tmp_path, mapped=True)
    tensors = _tensors(folder)
    assert set(tensors) == {"embeddings", "mapping", "weights"}
    assert tensors["mapping"].max() + 1 == tensors["embeddings"].shape[0] < tensors["weights"].shape[0]


def test_unknown_static_embeddings_are_refused_with_the_known_names(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="model2vec"):
        build_static("glove", tmp_path)
