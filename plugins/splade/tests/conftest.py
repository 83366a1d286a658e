"""Look-alikes of SPLADE models, and sentence-transformers' numbers for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from sentence_transformers import SparseEncoder
from torch import Tensor

from cenote import LLM
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.texts import sample_texts

#: From texts to dense vectors [vocabulary size].
Encode = Callable[..., Sequence[Tensor]]


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Build a family once."""
    root = tmp_path_factory.mktemp("splade")
    return lru_cache(lambda name: build_checkpoint(name, root / name))


@pytest.fixture(scope="session")
def encoder_of() -> Callable[[Path], Any]:
    """Load a folder with sentence-transformers."""
    return lru_cache(lambda folder: SparseEncoder(str(folder), device="cpu"))


@pytest.fixture(scope="session")
def encode(encoder_of: Callable[[Path], Any]) -> Encode:
    """What sentence-transformers gives for a folder and texts."""
    return lambda folder, texts: list(encoder_of(folder).encode(list(texts), convert_to_sparse_tensor=False))


@pytest.fixture(scope="session")
def texts() -> list[str]:
    """Texts of unlike lengths."""
    return sample_texts()


@pytest.fixture(scope="session")
def splade(folder_of: Callable[[str], Path]) -> Path:
    """The look-alike of naver/splade-v3."""
    return folder_of("splade")


@pytest.fixture(scope="session")
def llm(splade: Path) -> Iterator[LLM]:
    """It, loaded."""
    with LLM(str(splade)) as model:
        yield model
