"""The conformance kit on Qwen3-VL-Embedding."""

from __future__ import annotations

from pathlib import Path

import pytest

from cenote.testing.adapter import AdapterConformance
from cenote.testing.checkpoints import build_checkpoint


class TestQwen3VLEmbedding(AdapterConformance):
    pooling = "LAST"
    dimensions = (16, 48)
    image = True
    placeholder = "<|image_pad|>"

    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return build_checkpoint("qwen3_vl_embedding", tmp_path_factory.mktemp("qwen3_vl") / "Qwen3-VL-Embedding-2B")


class TestQwen3VLReranker(AdapterConformance):
    tasks = ("score", "classify", "token_classify")
    reads = "pairs"
    pooling = "LAST"
    activation = "sigmoid"
    image_documents = True

    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return build_checkpoint("qwen3_vl_reranker", tmp_path_factory.mktemp("qwen3_vl") / "Qwen3-VL-Reranker-2B")
