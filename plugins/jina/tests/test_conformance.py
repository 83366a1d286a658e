"""The conformance kit on jina-embeddings-v3, as published and as vLLM runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cenote.testing.adapter import AdapterConformance, Reference


class TestJinaEmbeddingsV3(AdapterConformance):
    """Requests without a task; a role chooses the task of retrieval."""

    dimensions = (8, 24)
    by_role = True

    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, jina: Path) -> Path:
        return jina

    @pytest.fixture(scope="class")
    @classmethod
    def reference(cls, expected: Any) -> Reference:
        return lambda texts: [expected.embed(text, *cls.options.values()) for text in texts]

    @pytest.fixture(scope="class")
    @classmethod
    def token_reference(cls, expected: Any) -> Reference:
        return lambda texts: [expected.tokens(text) for text in texts]
