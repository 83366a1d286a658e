"""The conformance kit on ColPali and ColModernVBERT."""

from __future__ import annotations

from pathlib import Path

import pytest

from cenote.testing.adapter import AdapterConformance
from cenote.testing.checkpoints import build_checkpoint


@pytest.mark.parametrize("family", ["colpali", "colmodernvbert"], scope="class")
class TestPages(AdapterConformance):
    tasks = ("token_embed",)
    pooling = "ALL"
    dimensions = None
    late_interaction = True
    image = True
    text_beside_image = False
    placeholder = "<image>"

    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, family: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return build_checkpoint(family, tmp_path_factory.mktemp("pages") / family)
