"""The conformance kit on SPLADE models, whose dense form is a vector over the vocabulary."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cenote.testing.adapter import AdapterConformance, Reference


class _Splade(AdapterConformance):
    pooling = "SPLADE"
    normalized = False
    family = ""

    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, folder_of: Callable[[str], Path]) -> Path:
        return folder_of(cls.family)

    @pytest.fixture(scope="class")
    @classmethod
    def reference(cls, checkpoint: Path, encode: Any) -> Reference:
        return lambda texts: encode(checkpoint, texts)


class TestSplade(_Splade):
    family = "splade"


class TestSpladeOnDistilBert(_Splade):
    """The logarithm twice, the 24 largest weights only."""

    family = "splade_distilbert"


class TestSpladeOnRoberta(_Splade):
    """Summed over tokens."""

    family = "splade_roberta"


class TestSpladeOnModernBert(_Splade):
    family = "splade_modernbert"
