"""The look-alike of a SPLADE model, with the processor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cenote import LLM
from cenote.testing.checkpoints import build_checkpoint


@pytest.fixture(scope="session")
def splade(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The look-alike of naver/splade-v3."""
    return build_checkpoint("splade", tmp_path_factory.mktemp("splade"))


@pytest.fixture(scope="session")
def llm(splade: Path) -> Iterator[LLM]:
    """It, loaded."""
    with LLM(str(splade), io_processor_plugin="sparse-terms") as model:
        yield model
