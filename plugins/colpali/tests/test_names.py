"""At the real sizes, the published models have as many numbers as were counted elsewhere."""

from __future__ import annotations

import torch
from transformers import GemmaConfig, PaliGemmaConfig, PaliGemmaModel, SiglipVisionConfig

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
