"""Which number format `auto` means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from cenote.adapters.dtypes import resolve_dtype
from cenote.checkpoints import Checkpoint, open_checkpoint
from cenote.errors import CheckpointError, InvalidRequest
from cenote.testing.checkpoints import build_checkpoint


def _open(folder: Path, dtype: str, config: dict[str, Any]) -> Checkpoint:
    checkpoint = open_checkpoint(str(build_checkpoint("bert", folder, dtype=dtype)))
    kept = {key: value for key, value in checkpoint.config.items() if key not in ("dtype", "torch_dtype")}
    return checkpoint.with_config({**kept, **config})


@pytest.mark.parametrize(
    ("stored", "config", "expected"),
    [
        ("bfloat16", {}, torch.bfloat16),
        ("float32", {"torch_dtype": "bfloat16"}, torch.bfloat16),
        ("float32", {"dtype": "float32"}, torch.float32),
        ("float16", {}, torch.float32),
    ],
    ids=["the stored one", "the config's", "its newer name", "no half precision on a CPU"],
)
def test_auto_keeps_what_the_checkpoint_says(
    stored: str, config: dict[str, str], expected: torch.dtype, tmp_path: Path
) -> None:
    assert resolve_dtype("auto", _open(tmp_path, stored, config), "cpu").value is expected


def test_the_user_wins(tmp_path: Path) -> None:
    assert str(resolve_dtype("half", _open(tmp_path, "float32", {}), "cpu")) == "torch.float16 (user)"


def test_an_unknown_dtype_in_the_config_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="names dtype 'float8'"):
        resolve_dtype("auto", _open(tmp_path, "float32", {"dtype": "float8"}), "cpu")


@pytest.mark.parametrize("family", ["gemma2", "gemma3", "gemma3_text", "glm4"])
def test_families_that_overflow_in_float16_refuse_it(family: str, tmp_path: Path) -> None:
    checkpoint = _open(tmp_path, "float32", {"model_type": family})
    with pytest.raises(InvalidRequest, match="unstable in float16"):
        resolve_dtype("float16", checkpoint, "cpu")
    stored = _open(tmp_path / "stored", "float32", {"model_type": family, "dtype": "float16"})
    with pytest.raises(InvalidRequest, match="unstable in float16"):
        resolve_dtype("auto", stored, "cuda")


@pytest.mark.parametrize("asked", ["model", "bfloat16", "float17"])
def test_a_head_dtype_other_than_float32_is_refused(asked: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="heads always run in float32"):
        resolve_dtype("auto", _open(tmp_path, "float32", {"head_dtype": asked}), "cpu")
    same = _open(tmp_path / "same", "float32", {"head_dtype": "float32"})
    assert resolve_dtype("auto", same, "cpu").value is torch.float32
