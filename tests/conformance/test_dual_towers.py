"""The conformance kit on CLIP and SigLIP."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, CLIPModel, PreTrainedTokenizerFast, SiglipModel

from cenote.testing.adapter import AdapterConformance, Reference
from cenote.testing.checkpoints import build_checkpoint


class _DualTowers(AdapterConformance):
    tasks = ("embed",)
    pooling = "LAST"
    image = True
    text_beside_image = False


class TestClip(_DualTowers):
    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return build_checkpoint("clip", tmp_path_factory.mktemp("clip") / "model")

    @pytest.fixture(scope="class")
    @classmethod
    def reference(cls, checkpoint: Path) -> Reference:
        return _reference(CLIPModel.from_pretrained(checkpoint), AutoTokenizer.from_pretrained(checkpoint))


class TestSiglip(_DualTowers):
    #: What is left of a text is padded again.
    test_truncation_keeps_the_special_tokens = None  # type: ignore[assignment]

    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return build_checkpoint("siglip", tmp_path_factory.mktemp("siglip") / "model")

    @pytest.fixture(scope="class")
    @classmethod
    def reference(cls, checkpoint: Path) -> Reference:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(checkpoint)
        return _reference(SiglipModel.from_pretrained(checkpoint), tokenizer, padding="max_length")


def _reference(model: Any, tokenizer: Any, **options: Any) -> Reference:
    model.eval()

    @torch.inference_mode()
    def embed(texts: Sequence[str]) -> list[Any]:
        rows = []
        for text in texts:
            ids = tokenizer(text, truncation=True, return_tensors="pt", **options)["input_ids"]
            rows.append(torch.nn.functional.normalize(model.get_text_features(ids).pooler_output[0], dim=-1).numpy())
        return rows

    return embed
