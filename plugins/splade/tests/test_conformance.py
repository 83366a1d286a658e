"""The conformance kit on SPLADE models, whose dense form is a vector over the vocabulary."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cenote.testing.adapter import AdapterConformance, Reference


@pytest.fixture(scope="class", params=["splade", "splade_distilbert", "splade_roberta", "splade_modernbert"])
def family(request: pytest.FixtureRequest) -> str:
    """As published; the logarithm twice and the 24 largest weights only; summed over tokens; ModernBERT."""
    return str(request.param)


class TestSplade(AdapterConformance):
    tasks = ("embed", "sparse_embed", "token_embed")
    pooling = "SPLADE"
    normalized = False

    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, family: str, folder_of: Callable[[str], Path]) -> Path:
        return folder_of(family)

    @pytest.fixture(scope="class")
    @classmethod
    def reference(cls, checkpoint: Path, encode: Any) -> Reference:
        return lambda texts: encode(checkpoint, texts)

    sparse_reference = reference
