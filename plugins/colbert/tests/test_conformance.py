"""The conformance kit on late-interaction models."""

from __future__ import annotations

from pathlib import Path

import pytest

from cenote.testing.adapter import AdapterConformance
from cenote.testing.checkpoints import build_checkpoint

_FAMILIES = (
    "colbert_v2",
    "gte_moderncolbert",
    "pylate_plain_queries",
    "jina_colbert_v2",
    "lfm2_colbert",
    "multi_vector_encoder",
)


@pytest.fixture(scope="class", params=_FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    """BERT; ModernBERT; queries as they are; everything attended to; causal; prompts."""
    return str(request.param)


class TestColbert(AdapterConformance):
    tasks = ("token_embed",)
    pooling = "ALL"
    dimensions = None
    by_role = True
    late_interaction = True

    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, family: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return build_checkpoint(family, tmp_path_factory.mktemp("colbert") / family)
