"""The conformance kit on jina-embeddings-v3, without a task and with the most used one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cenote import LLM
from cenote.testing.adapter import AdapterConformance, Reference


class TestJinaEmbeddingsV3(AdapterConformance):
    """Requests without a task."""

    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, jina: Path) -> Path:
        return jina

    @pytest.fixture(scope="class")
    @classmethod
    def reference(cls, expected: Any) -> Reference:
        return lambda texts: [expected.embed(text) for text in texts]

    @pytest.fixture(scope="class")
    @classmethod
    def token_reference(cls, expected: Any) -> Reference:
        return lambda texts: [expected.tokens(text) for text in texts]

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, jina: Path) -> Iterator[LLM]:
        with LLM(str(jina)) as model:
            assert model.report()["execution"].startswith("packed")
            yield model


class TestJinaEmbeddingsV3Merged(AdapterConformance):
    """As vLLM runs it: the last task for everything, no instruction."""

    options = {"compat": "vllm"}  # noqa: RUF012

    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, jina: Path) -> Path:
        return jina

    @pytest.fixture(scope="class")
    @classmethod
    def reference(cls, expected: Any) -> Reference:
        return lambda texts: [expected.embed(text, "text-matching") for text in texts]
