"""Look-alikes of this plugin's models, as published and with changed files, and pictures to show them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from cenote import LLM
from cenote.testing.checkpoints import build_checkpoint


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Build a family once."""
    root = tmp_path_factory.mktemp("colpali")
    return lru_cache(lambda name: build_checkpoint(name, root / name))


@pytest.fixture
def edited(folder_of: Callable[[str], Path], tmp_path: Path) -> Callable[..., Path]:
    """Copy a family with other files and tensors.

    `files` is `{file: entries to change}`, where an entry of None is left out; `tensors` changes all weights.
    """

    def edit(
        family: str,
        files: Mapping[str, Mapping[str, Any]] | None = None,
        tensors: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> Path:
        folder = tmp_path / f"{family}{len(list(tmp_path.iterdir()))}"
        shutil.copytree(folder_of(family), folder)
        for name, changes in (files or {}).items():
            stored: dict[str, Any] = json.loads((folder / name).read_text()) if (folder / name).exists() else {}
            values = {key: value for key, value in {**stored, **changes}.items() if value is not None}
            (folder / name).write_text(json.dumps(values))
        if tensors is not None:
            weights = folder / "model.safetensors"
            save_file(tensors(load_file(weights)), weights, {"format": "pt"})
        return folder

    return edit


@pytest.fixture(scope="session")
def loaded(folder_of: Callable[[str], Path]) -> Iterator[Callable[..., LLM]]:
    """Load a family once with the same options."""
    with ExitStack() as models:
        yield cache(lambda family, **options: models.enter_context(LLM(str(folder_of(family)), **options)))


@pytest.fixture(scope="session")
def ids_of(folder_of: Callable[[str], Path]) -> Callable[[str, str], list[int]]:
    """Tokenise a whole text with the tokenizer of a family: what the references do with a written prompt."""
    tokenizer = cache(lambda family: AutoTokenizer.from_pretrained(folder_of(family)))
    return lambda family, text: list(tokenizer(family)(text, add_special_tokens=False)["input_ids"])


@pytest.fixture(scope="session")
def encode() -> Callable[..., list[Any]]:
    """Run prompts through a model."""

    def run(model: LLM, prompts: Any, role: Any = None, **options: Any) -> list[Any]:
        return model.encode(prompts, pooling_task="token_embed", role=role, use_tqdm=False, **options)

    return run


@pytest.fixture(scope="session")
def picture() -> Callable[..., Image.Image]:
    """Draw a picture of a size in pixels; the same seed gives the same one."""

    def draw(width: int = 96, height: int = 64, seed: int = 0) -> Image.Image:
        values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
        return Image.fromarray(values)

    return draw
