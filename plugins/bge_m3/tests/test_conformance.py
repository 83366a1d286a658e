"""The conformance kit on BGE-M3."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cenote.testing.adapter import AdapterConformance, Reference
from cenote.testing.references import embed_with_sentence_transformers


class TestBgeM3(AdapterConformance):
    tasks = ("embed", "token_embed", "token_classify", "sparse_embed")
    pooling = "CLS"
    linear_head = False

    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, folder: Path) -> Path:
        return folder

    @pytest.fixture(scope="class")
    @classmethod
    def reference(cls, checkpoint: Path) -> Reference:
        return embed_with_sentence_transformers(checkpoint)

    @pytest.fixture(scope="class")
    @classmethod
    def token_reference(cls, in_transformers: Callable[..., Any]) -> Reference:
        return lambda texts: [in_transformers(text).vectors for text in texts]

    @pytest.fixture(scope="class")
    @classmethod
    def classify_reference(cls, in_transformers: Callable[..., Any]) -> Reference:
        return lambda texts: [in_transformers(text).numbers.relu() for text in texts]
