"""The look-alike of BGE-M3, loaded, and FlagEmbedding's numbers for it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from cenote import LLM
from cenote.testing.checkpoints import build_checkpoint


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The look-alike of BAAI/bge-m3."""
    return build_checkpoint("bge_m3_triple", tmp_path_factory.mktemp("bge_m3"))


@pytest.fixture(scope="session")
def llm(folder: Path) -> Iterator[LLM]:
    """It, loaded."""
    with LLM(str(folder)) as model:
        yield model


@pytest.fixture(scope="session")
def golden() -> Mapping[str, Any]:
    """What FlagEmbedding computes for it, as `scripts/bge_m3_goldens.py` wrote it down."""
    content: Mapping[str, Any] = json.loads((Path(__file__).parent / "goldens" / "flag_embedding.json").read_text())
    return content
