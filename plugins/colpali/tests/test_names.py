"""At the real sizes, the published models have as many numbers as were counted elsewhere."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from transformers import (
    GemmaConfig,
    ModernBertConfig,
    ModernVBertConfig,
    ModernVBertModel,
    PaliGemmaConfig,
    PaliGemmaModel,
    SiglipVisionConfig,
)

from cenote_colpali import colmodernvbert
from cenote_colpali.colpali import PARTS, UNUSED
from cenote_colpali.names import read_names


def test_colpali_has_the_published_number_of_parameters() -> None:
    vision = SiglipVisionConfig(
        hidden_size=1152,
        intermediate_size=4304,
        num_hidden_layers=27,
        num_attention_heads=16,
        image_size=448,
        patch_size=14,
        vision_use_head=False,
    )
    text = GemmaConfig(
        hidden_size=2048,
        intermediate_size=16384,
        num_hidden_layers=18,
        num_attention_heads=8,
        num_key_value_heads=1,
        head_dim=256,
        vocab_size=257216,
    )
    config = PaliGemmaConfig(vision_config=vision, text_config=text, projection_dim=2048, image_token_index=257152)
    with torch.device("meta"):
        sizes = {f"vlm.{name}": value.numel() for name, value in PaliGemmaModel(config).named_parameters()}
    sizes |= {"embedding_proj_layer.weight": 128 * 2048, "embedding_proj_layer.bias": 128}
    found = read_names(sizes, "colpali-v1.3-hf", PARTS, UNUSED)
    assert len(sizes) == 605
    assert sum(sizes.values()) == 2_924_613_488
    assert found.unused == ()


@pytest.mark.parametrize("flat", [False, True])
def test_colmodernvbert_has_the_published_number_of_parameters(flat: bool) -> None:
    sizes: dict[str, Any] = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12}
    vision = SiglipVisionConfig(intermediate_size=3072, image_size=512, patch_size=16, **sizes)
    text = ModernBertConfig(vocab_size=50408, hidden_size=768, intermediate_size=1152, num_hidden_layers=22)
    config = ModernVBertConfig(vision_config=vision, text_config=text, pixel_shuffle_factor=4)
    with torch.device("meta"):
        numbers = {name: value.numel() for name, value in ModernVBertModel(config).named_parameters()}
    assert sum(numbers.values()) == 252_002_304
    prefix, tower, head = "vlm.", "vision_model.", "embedding_proj_layer"
    if flat:
        prefix, tower, head = "model.", "vision_model.vision_model.", "custom_text_proj"
    published = {prefix + name.replace("vision_model.", tower): name for name in numbers}
    heads = {f"{head}.weight", f"{head}.bias"}
    assert len(published) + len(heads) == 345
    found = read_names({*published, *heads}, "colmodernvbert-merged", colmodernvbert.PARTS, colmodernvbert.UNUSED)
    assert set(found.head.values()) == heads
    assert {published[name] for name in found.unused} == {name for name in numbers if ".head." in name}
    for stored, native in published.items():
        name = stored
        for pattern, target in found.renames.items():
            name = re.sub(pattern, target, name, count=1)
        assert name == native
