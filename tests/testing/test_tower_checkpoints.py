"""The look-alikes of models with a tower for images of one size are small, reproducible, and as published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file
from transformers import PreTrainedTokenizerFast

from cenote.testing.checkpoints import TOWERS, build_backbone, build_checkpoint

_LIMIT_BYTES = 1_500_000
#: Names of tensors in the files, one for each rule by which they differ from transformers'.
_NAMES = {
    "llama_nemotron_vl": {
        "language_model.embed_tokens.weight",
        "vision_model.vision_model.head.probe",
        "mlp1.0.bias",
        "mlp1.3.weight",
    },
    "llama_nemotron_vl_rerank": {
        "model.language_model.norm.weight",
        "model.vision_model.vision_model.encoder.layers.1.mlp.fc2.bias",
        "model.mlp1.1.bias",
        "score.weight",
    },
    "llama_bidirectional": {"embed_tokens.weight", "layers.0.self_attn.q_proj.weight"},
    "llama_bidirectional_rerank": {"model.embed_tokens.weight", "score.weight"},
    "colpali": {
        "vlm.vision_tower.vision_model.post_layernorm.weight",
        "vlm.language_model.model.norm.weight",
        "vlm.multi_modal_projector.linear.bias",
        "embedding_proj_layer.bias",
    },
    "colpali_new": {"vlm.vision_tower.post_layernorm.weight", "vlm.language_model.norm.weight"},
    "colmodernvbert": {"vlm.vision_model.head.probe", "vlm.text_model.final_norm.weight", "embedding_proj_layer.bias"},
    "modernvbert_flat": {
        "model.vision_model.vision_model.head.probe",
        "model.text_model.final_norm.weight",
        "model.connector.modality_projection.weight",
        "custom_text_proj.bias",
    },
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("towers")
    return {name: build_checkpoint(name, root / name) for name in TOWERS}


@pytest.mark.parametrize("name", TOWERS)
def test_a_checkpoint_is_small_and_no_tensor_is_all_zero(name: str, folders: dict[str, Path]) -> None:
    assert sum(path.stat().st_size for path in folders[name].rglob("*") if path.is_file()) < _LIMIT_BYTES
    stored = load_file(folders[name] / "model.safetensors")
    assert not [tensor for tensor, value in stored.items() if value.numel() > 1 and value.float().std() < 0.01]


@pytest.mark.parametrize("name", _NAMES)
def test_tensors_have_their_published_names(name: str, folders: dict[str, Path]) -> None:
    assert _NAMES[name] <= set(load_file(folders[name] / "model.safetensors"))


@pytest.mark.parametrize("name", ["colpali", "colpali_new", "colmodernvbert", "clip", "siglip"])
def test_transformers_reads_every_weight(name: str, folders: dict[str, Path]) -> None:
    expected: Any = build_backbone(name)
    loaded, info = type(expected).from_pretrained(folders[name], output_loading_info=True)
    assert not any(info[key] for key in ("missing_keys", "mismatched_keys", "unexpected_keys"))
    values: Any = loaded.state_dict()
    assert all(torch.equal(value, values[key]) for key, value in expected.state_dict().items())


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("llama_nemotron_vl", ["<img>", "</img>", "<IMG_CONTEXT>", "<|begin_of_text|>"]),
        ("colpali", ["<image>", "<bos>", "<pad>"]),
        ("colmodernvbert", ["<image>", "<fake_token_around_image>", "<global-img>", "<row_6_col_6>", "\n\n"]),
        ("modernvbert_flat", ["<|begin_of_text|>", "<end_of_utterance>", "<row_1_col_2>"]),
    ],
)
def test_marks_of_images_are_single_tokens(name: str, tokens: list[str], folders: dict[str, Path]) -> None:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folders[name])
    for token in tokens:
        assert len(tokenizer(token, add_special_tokens=False)["input_ids"]) == 1


def test_both_layouts_of_a_model_hold_the_same_numbers(folders: dict[str, Path]) -> None:
    old, new = (load_file(folders[name] / "model.safetensors") for name in ("colpali", "colpali_new"))
    assert {tuple(value.shape) for value in old.values()} == {tuple(value.shape) for value in new.values()}
    config = json.loads((folders["colpali"] / "config.json").read_text())
    native: Any = transformers.ColPaliConfig.from_pretrained(folders["colpali_new"])
    assert native.vlm_config.image_token_index == config["vlm_config"]["image_token_index"]
