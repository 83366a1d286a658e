"""At the real sizes, the published tensors are all known, and as many numbers as the published models have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaModel, SiglipVisionConfig, SiglipVisionModel

from cenote.errors import CheckpointError
from cenote_nemotron_vl.weights import check_names


@dataclass(frozen=True)
class _Stored:
    """Names of tensors alone: the files of the real models are too large for tests."""

    names: frozenset[str]
    name: str = "llama-nemotron-vl"

    def tensor_names(self) -> frozenset[str]:
        return self.names


def _published(vocabulary: int, prefix: str) -> dict[str, int]:
    """Return the numbers of every tensor, by its published name."""
    sizes: dict[str, Any] = {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16}
    llama = LlamaConfig(vocab_size=vocabulary, num_attention_heads=32, num_key_value_heads=8, **sizes)
    sizes = {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16}
    siglip = SiglipVisionConfig(image_size=512, patch_size=16, **sizes)
    with torch.device("meta"):
        parts: dict[str, nn.Module] = {
            "language_model.": LlamaModel(llama),
            "vision_model.vision_model.": SiglipVisionModel(siglip),
            "mlp1.": nn.Sequential(nn.LayerNorm(4608), nn.Linear(4608, 2048), nn.GELU(), nn.Linear(2048, 2048)),
        }
    return {
        prefix + start + name: value.numel() for start, part in parts.items() for name, value in part.named_parameters()
    }


@pytest.mark.parametrize(
    ("vocabulary", "prefix", "head", "numbers"),
    [
        (128266, "", {}, 1_678_252_480),  # nvidia/llama-nemotron-embed-vl-1b-v2
        (128267, "model.", {"score.weight": 2048}, 1_678_256_576),  # nvidia/llama-nemotron-rerank-vl-1b-v2
    ],
)
def test_all_tensors_of_a_published_model_are_known(
    vocabulary: int, prefix: str, head: dict[str, int], numbers: int
) -> None:
    tensors = _published(vocabulary, prefix) | head
    assert sum(tensors.values()) == numbers
    stored: Any = _Stored(frozenset(tensors))
    check_names(stored, heads=tuple(head))
    other: Any = _Stored(frozenset({*tensors, "lm_head.weight"}))
    with pytest.raises(CheckpointError, match=r"lm_head\.weight"):
        check_names(other, heads=tuple(head))
