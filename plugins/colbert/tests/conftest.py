"""Look-alikes of late-interaction models, as published and with changed files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cenote import LLM
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.texts import sample_texts

#: From a family, changes of its JSON files (None deletes one), to a folder.
Edit = Callable[..., Path]


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Build a family once."""
    root = tmp_path_factory.mktemp("colbert")
    return lru_cache(lambda name: build_checkpoint(name, root / name))


@pytest.fixture
def edited(folder_of: Callable[[str], Path], tmp_path: Path) -> Edit:
    """Copy a family with other files: `{file: entries to change}`, where an entry of None is left out."""

    def edit(family: str, files: Mapping[str, Mapping[str, Any] | None]) -> Path:
        folder = tmp_path / f"{family}{len(list(tmp_path.iterdir()))}"
        shutil.copytree(folder_of(family), folder)
        for name, changes in files.items():
            if changes is None:
                (folder / name).unlink()
                continue
            (folder / name).parent.mkdir(exist_ok=True)
            stored: dict[str, Any] = json.loads((folder / name).read_text()) if (folder / name).exists() else {}
            values = {key: value for key, value in {**stored, **changes}.items() if value is not None}
            (folder / name).write_text(json.dumps(values))
        return folder

    return edit


@pytest.fixture(scope="session")
def loaded(folder_of: Callable[[str], Path]) -> Iterator[Callable[[str], LLM]]:
    """Load a family once."""
    with ExitStack() as models:
        yield lru_cache(lambda family: models.enter_context(LLM(str(folder_of(family)))))


@pytest.fixture(scope="session")
def encode() -> Callable[..., list[Any]]:
    """Run texts through a model, cut to its lengths unless options say otherwise."""

    def run(model: LLM, texts: Sequence[Any], role: Any = None, params: Any = None, **tokenization: Any) -> list[Any]:
        given = {"truncate_prompt_tokens": -1, **tokenization}
        return model.encode(
            list(texts), params, pooling_task="token_embed", role=role, use_tqdm=False, tokenization_kwargs=given
        )

    return run


@pytest.fixture(scope="session")
def vectors(encode: Callable[..., list[Any]]) -> Callable[..., list[np.ndarray[Any, Any]]]:
    """The same, as arrays."""
    return lambda *given, **options: [output.outputs.data.numpy() for output in encode(*given, **options)]


@pytest.fixture(scope="session")
def texts() -> list[str]:
    """Texts of unlike lengths."""
    return sample_texts()
