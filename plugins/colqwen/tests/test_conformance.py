"""The conformance kit on the ColQwen models."""

from __future__ import annotations

from pathlib import Path

import pytest

from cenote.testing.adapter import AdapterConformance
from cenote.testing.checkpoints import build_checkpoint


class _ColQwen(AdapterConformance):
    tasks = ("token_embed",)
    pooling = "ALL"
    dimensions = None
    late_interaction = True
    image = True
    placeholder = "<|image_pad|>"

    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, family: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return build_checkpoint(family, tmp_path_factory.mktemp("colqwen") / family)


@pytest.mark.parametrize("family", ["colqwen3", "colqwen3_5"], scope="class")
class TestReadAlike(_ColQwen):
    """Queries and documents of text are written alike."""


@pytest.mark.parametrize("family", ["ops_colqwen3", "nemotron_colembed"], scope="class")
class TestReadByRole(_ColQwen):
    """They are written differently."""

    by_role = True
