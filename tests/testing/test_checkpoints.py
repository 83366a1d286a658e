"""The look-alike checkpoints are small, reproducible, complete, and sensitive to mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors import safe_open
from sentence_transformers import SentenceTransformer

from cenote.testing.checkpoints import FAMILIES, build_backbone, build_checkpoint, family
from cenote.testing.texts import sample_texts

_LIMIT_BYTES = 300_000
_READABLE = tuple(name for name in FAMILIES if family(name).native_layout)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("families")
    return {name: build_checkpoint(name, root / name) for name in FAMILIES}


def test_building_leaves_torchs_random_numbers_alone(tmp_path: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    build_checkpoint("bert", tmp_path)
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_checkpoint_is_small(name: str, folders: dict[str, Path]) -> None:
    assert sum(path.stat().st_size for path in folders[name].rglob("*") if path.is_file()) < _LIMIT_BYTES


@pytest.mark.parametrize("name", FAMILIES)
def test_the_files_of_a_published_checkpoint_are_there(name: str, folders: dict[str, Path]) -> None:
    names = {str(path.relative_to(folders[name])) for path in folders[name].rglob("*") if path.is_file()}
    expected = {
        "1_Pooling/config.json",
        "config.json",
        "config_sentence_transformers.json",
        "model.safetensors",
        "modules.json",
        "sentence_bert_config.json",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    dense = {f"{i}_Dense/{file}" for i in (2, 3) for file in ("config.json", "model.safetensors")}
    assert names == expected | (dense if name == "embeddinggemma" else set())


@pytest.mark.parametrize("name", _READABLE)
def test_transformers_reads_every_weight(name: str, folders: dict[str, Path]) -> None:
    model, info = transformers.AutoModel.from_pretrained(folders[name], output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["mismatched_keys"]
    expected = build_backbone(name).state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", ["nomic", "gte"])
def test_foreign_layouts_hold_the_names_of_the_remote_code(name: str, folders: dict[str, Path]) -> None:
    with safe_open(folders[name] / "model.safetensors", "pt") as file:
        names = set(file.keys())
    fused = {"nomic": "encoder.layers.0.attn.Wqkv.weight", "gte": "new.encoder.layer.0.attention.qkv_proj.weight"}
    assert fused[name] in names
    assert not any("q_proj" in item or ".query." in item for item in names)


def test_a_decoder_may_be_stored_bare_or_with_prefix(folders: dict[str, Path]) -> None:
    for name, expected in {"qwen3": "layers.0.", "llama": "model.layers.0."}.items():
        with safe_open(folders[name] / "model.safetensors", "pt") as file:
            assert any(key.startswith(expected) for key in file.keys())
        assert _config(folders[name])["architectures"][0].endswith("ForCausalLM")


def _config(folder: Path) -> Any:
    return json.loads((folder / "config.json").read_text())


#: First and last tokens that the published tokenizers add.
_SPECIALS = {
    "bert": ("[CLS]", "[SEP]"),
    "electra": ("[CLS]", "[SEP]"),
    "roberta": ("<s>", "</s>"),
    "xlm_roberta": ("<s>", "</s>"),
    "distilbert": ("[CLS]", "[SEP]"),
    "modernbert": ("[CLS]", "[SEP]"),
    "mpnet": ("<s>", "</s>"),
    "deberta_v2": ("[CLS]", "[SEP]"),
    "qwen2": (None, None),
    "qwen3": (None, "<|endoftext|>"),
    "llama": ("<s>", None),
    "llama3": ("<|begin_of_text|>", None),
    "mistral": ("<s>", "</s>"),
    "gemma": ("<bos>", None),
    "gemma2": ("<bos>", "<eos>"),
    "embeddinggemma": ("<bos>", "<eos>"),
}


@pytest.mark.parametrize("name", _READABLE)
def test_the_tokenizer_adds_the_published_special_tokens(name: str, folders: dict[str, Path]) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folders[name])
    tokens = tokenizer.convert_ids_to_tokens(tokenizer("the water")["input_ids"])
    bare = tokenizer.tokenize("the water")
    first, last = _SPECIALS[name]
    assert [token for token in (first, *bare, last) if token is not None] == [t for t in tokens if t != "[PAD]"]


@pytest.mark.parametrize("name", _READABLE)
def test_texts_have_distinct_vectors_and_order_matters(name: str, folders: dict[str, Path]) -> None:
    model = SentenceTransformer(str(folders[name]), device="cpu")
    vectors = model.encode(sample_texts())
    similar = vectors @ vectors.T - 2 * np.eye(len(vectors))
    # 1e-2 is 500 times the tolerance of the conformance tests.
    assert similar.max() < 0.995
    assert 1 - similar[3, 4] > 1e-2  # the same words in another order


def test_a_sample_text_is_longer_than_every_window(folders: dict[str, Path]) -> None:
    for name, window in {"modernbert": 6, "mistral": 9, "gemma2": 8, "embeddinggemma": 7}.items():
        tokenizer = transformers.AutoTokenizer.from_pretrained(folders[name])
        assert max(len(tokenizer(text)["input_ids"]) for text in sample_texts()) > 4 * window


def test_a_sharded_checkpoint_has_an_index_of_all_tensors(tmp_path: Path) -> None:
    build_checkpoint("bert", tmp_path / "one")
    build_checkpoint("bert", tmp_path / "two", sharded=True)
    index = json.loads((tmp_path / "two" / "model.safetensors.index.json").read_text())
    with safe_open(tmp_path / "one" / "model.safetensors", "pt") as file:
        assert set(index["weight_map"]) == set(file.keys())
    model = transformers.AutoModel.from_pretrained(tmp_path / "two")
    expected = build_backbone("bert").state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in model.state_dict().items())


def test_weights_may_be_stored_as_pickles(tmp_path: Path) -> None:
    build_checkpoint("roberta", tmp_path, safetensors=False)
    assert not (tmp_path / "model.safetensors").exists()
    tensors = torch.load(tmp_path / "pytorch_model.bin", weights_only=True)
    assert set(tensors) == set(dict(build_backbone("roberta").named_parameters()))


def test_the_stored_dtype_can_be_chosen(tmp_path: Path) -> None:
    build_checkpoint("qwen3", tmp_path, dtype="bfloat16", config={"torch_dtype": "bfloat16"})
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert {file.get_tensor(key).dtype for key in file.keys()} == {torch.bfloat16}
    assert _config(tmp_path)["torch_dtype"] == "bfloat16"


def test_sentence_transformers_files_can_be_left_out(tmp_path: Path) -> None:
    build_checkpoint("bert", tmp_path, sentence_transformers=False)
    assert not (tmp_path / "modules.json").exists()
    assert not (tmp_path / "1_Pooling").exists()


@pytest.mark.parametrize("style", ["flags", "mode"])
def test_sentence_transformers_honours_every_option(style: str, tmp_path: Path) -> None:
    build_checkpoint(
        "bert",
        tmp_path,
        pooling=("cls", "mean"),
        normalize=False,
        dense=[(16, "torch.nn.modules.activation.Tanh"), 8],
        prompts={"query": "search: "},
        default_prompt_name="query",
        include_prompt=False,
        max_seq_length=20,
        do_lower_case=True,
        pooling_style=style,
    )
    model = SentenceTransformer(str(tmp_path), device="cpu")
    assert model.max_seq_length == 20
    assert model.prompts["query"] == "search: "
    assert model.default_prompt_name == "query"
    assert tuple(model[1].pooling_mode) == ("cls", "mean")
    assert model[1].include_prompt is False
    assert [type(module).__name__ for module in model] == ["Transformer", "Pooling", "Dense", "Dense"]
    assert model.encode("Water").shape == (8,)
    assert isinstance(model[2].activation_function, torch.nn.Tanh)


def test_an_unknown_family_is_refused_with_the_known_names(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="modernbert"):
        build_checkpoint("no-such-family", tmp_path)
