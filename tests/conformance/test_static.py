"""The conformance kit on static embeddings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from model2vec import StaticModel
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from cenote.testing.adapter import AdapterConformance
from cenote.testing.checkpoints import build_static
from cenote.testing.texts import sample_texts


class StaticConformance(AdapterConformance):
    separation: ClassVar[float] = -1.0  # texts of the same words have the same mean


class TestStaticEmbedding(StaticConformance):
    normalized: ClassVar[bool] = False
    options: ClassVar[Mapping[str, Any]] = {"max_model_len": 128}

    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return build_static("static_embedding", tmp_path_factory.mktemp("static"))

    @pytest.fixture(scope="class")
    @classmethod
    def reference(cls, checkpoint: Path) -> Callable[..., Any]:
        library = SentenceTransformer(str(checkpoint), device="cpu")
        library.tokenizer.enable_truncation(128)
        return library.encode


class TestModel2Vec(StaticConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def texts(cls, checkpoint: Path) -> list[str]:
        # Unknown tokens are counted by truncation and dropped then, so that less than the limit would be left.
        tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
        return [text for text in sample_texts() if "[UNK]" not in tokenizer.encode(text).tokens]

    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return build_static("model2vec", tmp_path_factory.mktemp("model2vec"), mapped=True)

    @pytest.fixture(scope="class")
    @classmethod
    def reference(cls, checkpoint: Path) -> Callable[..., Any]:
        return StaticModel.from_pretrained(checkpoint).encode

    @pytest.fixture(scope="class")
    @classmethod
    def token_reference(cls, checkpoint: Path) -> Callable[..., Any]:
        return StaticModel.from_pretrained(checkpoint).encode_as_sequence
