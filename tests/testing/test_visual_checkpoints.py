"""The look-alikes of models that read images are small, reproducible, and as published."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import PreTrainedTokenizerFast, Qwen2VLImageProcessorPil

from cenote.testing.checkpoints import VISUAL, build_backbone, build_checkpoint
from cenote.testing.pictures import sample_picture, sample_pictures

_LIMIT_BYTES = 1_500_000
#: Of the pixels of `sample_pictures`.
_EXPECTED = "e057125f54bd7307c273c39ce45dbe3dc6acc20af08c1a523b3f5c60233c1c15"
#: What stands before the backbone's tensors, and the tensors of the head.
_LAYOUTS = {
    "colqwen3": ("vlm.model.", {"embedding_proj_layer.weight", "embedding_proj_layer.bias"}),
    "colqwen3_untied": (
        "vlm.model.",
        {"embedding_proj_layer.weight", "embedding_proj_layer.bias", "vlm.lm_head.weight"},
    ),
    "ops_colqwen3": ("", {"custom_text_proj.weight", "custom_text_proj.bias"}),
    "nemotron_colembed": ("model.", {"lm_head.weight"}),
    "qwen3_vl_embedding": ("model.", {"lm_head.weight"}),
    "qwen3_vl_reranker": ("model.", set()),
    "qwen3_vl_reranker_untied": ("model.", {"lm_head.weight"}),
    "colqwen3_5": (
        "",
        {
            *(f"custom_text_proj.{part}" for part in ("weight", "bias")),
            *(f"mtp.{name}.weight" for name in ("fc", "norm", "layers.0.input_layernorm")),
        },
    ),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("visual")
    return {name: build_checkpoint(name, root / name) for name in VISUAL}


@pytest.mark.parametrize("name", VISUAL)
def test_a_checkpoint_is_small(name: str, folders: dict[str, Path]) -> None:
    assert sum(path.stat().st_size for path in folders[name].iterdir()) < _LIMIT_BYTES


@pytest.mark.parametrize("name", VISUAL)
def test_tensors_are_those_of_transformers_behind_the_published_prefix(name: str, folders: dict[str, Path]) -> None:
    prefix, head = _LAYOUTS[name]
    stored = load_file(folders[name] / "model.safetensors")
    expected = build_backbone(name).state_dict()
    assert set(stored) == {prefix + own for own in expected} | head
    assert all(torch.equal(stored[prefix + own], value) for own, value in expected.items())
    assert all(stored[item].any() for item in head), "every tensor of the head would be missed"


@pytest.mark.parametrize("name", VISUAL)
def test_special_tokens_are_the_published_ones(name: str, folders: dict[str, Path]) -> None:
    config = json.loads((folders[name] / "config.json").read_text())
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folders[name])
    wanted = {"image_token_id": "<|image_pad|>", "video_token_id": "<|video_pad|>"}
    wanted |= {"vision_start_token_id": "<|vision_start|>", "vision_end_token_id": "<|vision_end|>"}
    for key, token in wanted.items():
        assert tokenizer(token, add_special_tokens=False)["input_ids"] == [config[key]]
    assert len(tokenizer) == config["text_config"]["vocab_size"]


def test_conversations_are_rendered_as_published(folders: dict[str, Path]) -> None:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folders["nemotron_colembed"])
    content = [{"type": "image"}, {"type": "text", "text": "passage: "}]
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
    )
    assert text == (
        "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>passage: <|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.mark.parametrize("name", VISUAL)
def test_every_patch_of_an_image_matters(name: str, folders: dict[str, Path]) -> None:
    images = Qwen2VLImageProcessorPil.from_pretrained(folders[name])
    tower: Any = build_backbone(name).visual
    plain = images(images=[sample_picture(64, 96)], return_tensors="pt")
    pixels, grid = plain["pixel_values"], plain["image_grid_thw"]
    with torch.inference_mode():
        expected: Any = tower(pixels, grid_thw=grid).pooler_output
        for patch in (0, len(pixels) - 1):
            other = pixels.clone()
            other[patch] *= -1
            assert (tower(other, grid_thw=grid).pooler_output - expected).abs().min(dim=-1).values.max() > 1e-3


def test_pictures_are_the_same_everywhere_and_unlike_each_other() -> None:
    data = b"".join(picture.tobytes() for picture in sample_pictures())
    assert hashlib.sha256(data).hexdigest() == _EXPECTED
    alpha = np.asarray(sample_picture(64, 64, "RGBA"))[..., 3]
    assert set(np.unique(alpha)) == {0, 255}
    one, other = (np.asarray(sample_picture(64, 64, seed=seed)).astype(int) for seed in (0, 1))
    assert abs(one - other).mean() > 20
    assert sample_picture(40, 30, "L").mode == "L"
