"""Adapters in peft's folder format: peft's reading of them, and refusals that name the field."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from cenote import LLM, PoolingParams
from cenote.adapters.lora import LoraStore
from cenote.errors import CheckpointError, MissingDependency
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.compare import assert_close
from cenote.testing.loras import build_lora, merge_lora


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_checkpoint("bert", tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def llm(bert: Path) -> Any:
    with LLM(str(bert), enable_lora=True) as model:
        yield model


@pytest.fixture(scope="module")
def store(llm: LLM) -> LoraStore:
    found = llm._loaded.model.loras  # type: ignore[attr-defined]
    assert isinstance(found, LoraStore)
    return found


def assert_merged(llm: LLM, store: LoraStore, base: Path, folder: Path, model_class: str = "AutoModel") -> None:
    """Load an adapter, compare it with peft's merged model, and drop it."""
    store.load("a", folder)
    try:
        params = [PoolingParams(lora="a", use_activation=False), PoolingParams(use_activation=False)]
        texts = ["a text of some words", "another"]
        (output, _) = llm.encode(texts, params, pooling_task="token_embed", use_tqdm=False)
        with torch.inference_mode():
            merged = merge_lora(base, folder, model_class).base_model
            expected = merged(input_ids=torch.tensor([output.prompt_token_ids])).last_hidden_state[0]
        assert_close(output.outputs.data, expected, tolerance=2e-5)
    finally:
        store.unload("a")


@pytest.mark.parametrize(
    ("targets", "settings"),
    [
        (["query", "value"], {"rank_pattern": {"layer.1.*query": 2}, "alpha_pattern": {"value": 32}}),
        (r"encoder\.layer\.\d+\.attention\.self\.(query|key)", {"r": 5}),
        (["dense"], {"layers_to_transform": [1], "layers_pattern": "layer", "lora_dropout": 0.3}),
        (["query", "dense"], {"exclude_modules": ["output.dense"], "use_rslora": True}),
        ("all-linear", {"init_lora_weights": "gaussian"}),
    ],
    ids=["patterns", "regex", "some-layers", "excluded", "all-linear"],
)
def test_every_way_to_name_targets_is_peft_s(
    targets: Any, settings: dict[str, Any], llm: LLM, store: LoraStore, bert: Path, tmp_path: Path
) -> None:
    assert_merged(llm, store, bert, build_lora(bert, tmp_path, targets=targets, **settings))


def test_an_adapter_made_for_a_class_with_a_head_fits_its_backbone(
    llm: LLM, store: LoraStore, bert: Path, tmp_path: Path
) -> None:
    folder = build_lora(bert, tmp_path, targets=["query", "word_embeddings"], model_class="BertForTokenClassification")
    assert all("base_model.model.bert." in key for key in load_file(folder / "adapter_model.safetensors"))
    assert_merged(llm, store, bert, folder, "BertForTokenClassification")


def test_an_adapter_made_for_a_causal_language_model_fits_the_embedder(tmp_path: Path) -> None:
    base = build_checkpoint("qwen3", tmp_path / "base")
    folder = build_lora(base, tmp_path / "a", targets=["q_proj", "down_proj"], model_class="Qwen3ForCausalLM")
    with LLM(str(base), enable_lora=True) as model:
        assert_merged(model, model._loaded.model.loras, base, folder, "Qwen3ForCausalLM")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("family", "model_class", "targets"),
    [
        ("bert_classifier", "BertForSequenceClassification", ["query", "intermediate.dense"]),
        ("qwen3_classifier", "Qwen3ForSequenceClassification", ["q_proj", "down_proj"]),
    ],
)
def test_the_backbone_of_a_classifier_takes_adapters(
    family: str, model_class: str, targets: list[str], tmp_path: Path
) -> None:
    base = build_checkpoint(family, tmp_path / "base")
    folder = build_lora(base, tmp_path / "a", targets=targets, model_class=model_class)
    params = [PoolingParams(lora=name, use_activation=False) for name in ("a", None)]
    with LLM(str(base), lora_modules=[f"a={folder}"]) as model:
        adapted, plain = model.encode(["some words"] * 2, params, pooling_task="classify", use_tqdm=False)
    with torch.inference_mode():
        merged = merge_lora(base, folder, model_class)
        expected = merged(input_ids=torch.tensor([adapted.prompt_token_ids])).logits[0]
    assert_close(adapted.outputs.data, expected, tolerance=2e-5)
    assert float((plain.outputs.data - expected).abs().max()) > 1e-2


def test_an_adapter_that_changes_the_head_is_refused(tmp_path: Path) -> None:
    base = build_checkpoint("bert_classifier", tmp_path / "base")
    folder = build_lora(base, tmp_path / "a", targets=["pooler.dense"], model_class="BertForSequenceClassification")
    with pytest.raises(CheckpointError, match="a part of the head"):
        LLM(str(base), lora_modules=[f"a={folder}"])


def test_without_peft_the_message_says_what_to_install(
    store: LoraStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingDependency, match=r"pip install 'cenote\[lora\]'"):
        store.load("a", tmp_path)


def test_pickled_weights_are_read_as_tensors_only(llm: LLM, store: LoraStore, bert: Path, tmp_path: Path) -> None:
    folder = build_lora(bert, tmp_path, targets=["query"])
    weights = folder / "adapter_model.safetensors"
    torch.save(load_file(weights), folder / "adapter_model.bin")
    weights.unlink()
    assert_merged(llm, store, bert, folder)
    torch.save({"x": Path("/")}, folder / "adapter_model.bin")
    with pytest.raises(CheckpointError, match="does not fit"):
        store.load("a", folder)


REFUSED: dict[str, dict[str, Any]] = {
    "peft_type": {"peft_type": "IA3"},
    "bias": {"bias": "all"},
    "use_dora": {"use_dora": True},
    "lora_bias": {"lora_bias": True},
    "modules_to_save": {"modules_to_save": ["classifier"]},
    "init_lora_weights": {"init_lora_weights": "pissa"},
    "trainable_token_indices": {"trainable_token_indices": [1, 2]},
    "target_parameters": {"target_parameters": ["x.weight"]},
    "layer_replication": {"layer_replication": [[0, 2]]},
    "loftq_config": {"loftq_config": {"loftq_bits": 4}},
    "field_of_the_future": {"field_of_the_future": "on"},
}


@pytest.mark.parametrize("field", REFUSED)
def test_what_is_not_computed_exactly_is_refused_by_field(
    field: str, store: LoraStore, bert: Path, tmp_path: Path
) -> None:
    folder = _with_settings(build_lora(bert, tmp_path, targets=["query"]), **REFUSED[field])
    with pytest.raises(CheckpointError, match=field):
        store.load("a", folder)
    assert store.names() == ()


def test_unknown_fields_that_say_nothing_are_accepted(llm: LLM, store: LoraStore, bert: Path, tmp_path: Path) -> None:
    folder = _with_settings(build_lora(bert, tmp_path, targets=["query"]), field_of_the_future=None)
    assert_merged(llm, store, bert, folder)


@pytest.mark.parametrize("file", ["adapter_config.json", "adapter_model.safetensors"])
def test_an_incomplete_folder_is_refused(file: str, store: LoraStore, bert: Path, tmp_path: Path) -> None:
    folder = build_lora(bert, tmp_path, targets=["query"])
    (folder / file).unlink()
    with pytest.raises(CheckpointError, match=f"has no {file}") as caught:
        store.load("a", folder)
    assert str(tmp_path) not in str(caught.value)


def test_settings_without_a_rank_are_refused(store: LoraStore, bert: Path, tmp_path: Path) -> None:
    folder = build_lora(bert, tmp_path, targets=["query"])
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "target_modules": ["query"]}))
    with pytest.raises(CheckpointError, match="has no 'r'"):
        store.load("a", folder)


def _renamed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.replace("layer.1", "layer.7"): value for key, value in tensors.items()}


CHANGES: dict[str, tuple[Callable[[dict[str, Tensor]], dict[str, Tensor]], str]] = {
    "a tensor too few": (lambda tensors: dict(list(tensors.items())[1:]), "lacks"),
    "other sizes": (lambda tensors: {key: value[..., :3] for key, value in tensors.items()}, "does not fit"),
    "other layers": (_renamed, "lacks"),
    "tensors of a head": (
        lambda tensors: tensors | {"base_model.model.classifier.lora_A.weight": torch.ones(8, 32)},
        "no place for",
    ),
    "own weights": (
        lambda tensors: tensors | {"base_model.model.embeddings.word_embeddings.weight": torch.ones(700, 32)},
        "differs from the base model's own",
    ),
    "not numbers": (lambda tensors: {key: value * float("nan") for key, value in tensors.items()}, "differ by nan"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_weights_that_do_not_belong_to_the_model_are_refused(
    change: str, store: LoraStore, bert: Path, tmp_path: Path
) -> None:
    folder = build_lora(bert, tmp_path, targets=["query", "value"])
    altered, message = CHANGES[change]
    tensors = {key: value.clone().contiguous() for key, value in altered(_tensors(folder)).items()}
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=message) as caught:
        store.load("a", folder)
    assert str(tmp_path) not in str(caught.value)
    assert store.names() == ()


def test_an_adapter_of_another_architecture_is_refused(store: LoraStore, tmp_path: Path) -> None:
    other = build_checkpoint("qwen3", tmp_path / "other")
    folder = build_lora(other, tmp_path / "a", targets=["q_proj"])
    with pytest.raises(CheckpointError, match="'a' does not fit this model"):
        store.load("a", folder)


def _tensors(folder: Path) -> dict[str, Tensor]:
    return dict(load_file(folder / "adapter_model.safetensors"))


def _with_settings(folder: Path, **changes: Any) -> Path:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder
