"""Stored names in every published layout; what is missing, unknown or broken is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from cenote import LLM
from cenote.errors import CheckpointError
from cenote.testing.pictures import sample_picture

_FAMILY = "llama_nemotron_vl"
_PROMPT: Any = {"prompt": "words", "multi_modal_data": {"image": sample_picture(90, 60, seed=1)}}

Edit = Callable[..., Path]


def _vector(folder: Path) -> list[float]:
    with LLM(str(folder)) as llm:
        found: list[float] = llm.embed([_PROMPT])[0].outputs.embedding
        return found


@pytest.mark.parametrize(
    "rename",
    [
        lambda name: name.replace("vision_model.vision_model.", "vision_model."),
        lambda name: f"model.{name}",
        lambda name: name.replace("language_model.", "language_model.model."),
        lambda name: None if ".head." in name else name,
    ],
)
def test_every_layout_gives_the_same(edited: Edit, folder_of: Callable[[str], Path], rename: Any) -> None:
    assert any(rename(name) != name for name in load_file(folder_of(_FAMILY) / "model.safetensors"))
    assert _vector(edited(_FAMILY, rename=rename)) == _vector(folder_of(_FAMILY))


@pytest.mark.parametrize(
    "name",
    [
        "language_model.norm.weight",
        "vision_model.vision_model.post_layernorm.bias",
        "mlp1.3.bias",
    ],
)
def test_a_missing_tensor_is_refused(edited: Edit, name: str) -> None:
    with pytest.raises(CheckpointError, match=name.rpartition("_model.")[2]):
        LLM(str(edited(_FAMILY, rename=lambda stored: None if stored == name else stored)))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mlp1.4.weight", "part of no"),
        ("score.weight", "part of no"),
        ("language_model.layers.0.self_attn.gate.weight", "have no place"),
        ("vision_model.vision_model.encoder.layers.0.gate.weight", "have no place"),
        ("model.mlp1.0.weight", "same tensor"),
    ],
)
def test_an_unknown_tensor_is_refused(edited: Edit, name: str, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        LLM(str(edited(_FAMILY, added={name: torch.ones(2)})))


def test_a_projection_of_another_shape_or_with_nan_is_refused(edited: Edit) -> None:
    with pytest.raises(CheckpointError, match="shape"):
        LLM(str(edited(_FAMILY, added={"mlp1.0.weight": torch.ones(2)})))
    with pytest.raises(CheckpointError, match="NaN"):
        LLM(str(edited(_FAMILY, added={"mlp1.0.weight": torch.full((128,), float("nan"))})))


def test_the_bias_of_the_projection_counts(edited: Edit, folder_of: Callable[[str], Path]) -> None:
    changed = edited(_FAMILY, added={"mlp1.3.bias": torch.ones(64)})
    assert _vector(changed) != _vector(folder_of(_FAMILY))
