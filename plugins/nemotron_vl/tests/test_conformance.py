"""The conformance kit on Llama Nemotron VL and its siblings for texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from cenote.testing.adapter import AdapterConformance
from cenote.testing.checkpoints import build_checkpoint


class _Nemotron(AdapterConformance):
    family = ""

    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return build_checkpoint(cls.family, tmp_path_factory.mktemp("nemotron_vl") / cls.family)


class TestEmbedder(_Nemotron):
    family = "llama_nemotron_vl"
    dimensions = None
    by_role = True
    image = True
    placeholder = "<IMG_CONTEXT>"


class TestTextEmbedder(_Nemotron):
    family = "llama_bidirectional"
    dimensions = None
    by_role = True


class _Reranker(_Nemotron):
    tasks = ("classify", "token_classify", "score")
    reads = "pairs"
    pooling = ""
    activation = "sigmoid"


class TestReranker(_Reranker):
    family = "llama_nemotron_vl_rerank"
    image_documents = True


class TestTextReranker(_Reranker):
    family = "llama_bidirectional_rerank"
