"""The look-alike of BGE-M3, loaded, and two references: FlagEmbedding's numbers, and the arithmetic in plain torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

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


@dataclass(frozen=True)
class Plain:
    """What transformers and the two layers give for a text, before anything is cut or normalised."""

    ids: Tensor
    dense: Tensor
    vectors: Tensor
    numbers: Tensor


class Reference:
    """A folder in transformers, one text at a time."""

    def __init__(self, folder: Path) -> None:
        self._model: Any = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self._heads = {name: torch.load(folder / f"{name}_linear.pt") for name in ("sparse", "colbert")}

    @torch.inference_mode()
    def __call__(self, text: str, max_length: int = 128) -> Plain:
        ids = self._tokenizer(text, truncation=True, max_length=max_length, return_tensors="pt")["input_ids"]
        hidden = self._model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]
        vectors, numbers = (
            hidden @ self._heads[name]["weight"].T + self._heads[name]["bias"] for name in ("colbert", "sparse")
        )
        return Plain(ids[0], hidden[0], vectors[1:], numbers[1:-1, 0])


@pytest.fixture(scope="session")
def in_transformers(folder: Path) -> Callable[..., Plain]:
    """The look-alike in transformers."""
    return Reference(folder)


@pytest.fixture(scope="session")
def reference_of() -> Callable[[Path], Reference]:
    """Load another folder in transformers."""
    return Reference
