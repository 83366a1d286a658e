"""The published names of all tensors, at the real sizes, become those of transformers' ModernVBERT."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from transformers import ModernBertConfig, ModernVBertConfig, ModernVBertModel, SiglipVisionConfig

from cenote.errors import CheckpointError
from cenote_colpali.colmodernvbert import PARTS, UNUSED
from cenote_colpali.names import StoredNames, read_names

_HEADS = {"embedding_proj_layer": "vlm.", "custom_text_proj": "model."}


def _read(names: list[str]) -> StoredNames:
    return read_names(names, "some", PARTS, UNUSED)


def _renamed(name: str, renames: dict[str, str]) -> str:
    for pattern, target in renames.items():
        name = re.sub(pattern, target, name, count=1)
    return name


@pytest.fixture(scope="module")
def native() -> set[str]:
    """Return the names that transformers has at the sizes of colmodernvbert-merged, with the head of SigLIP."""
    vision = SiglipVisionConfig(image_size=512)
    config = ModernVBertConfig(vision_config=vision, text_config=ModernBertConfig(vocab_size=50408))
    with torch.device("meta"):
        model = ModernVBertModel(config)
    assert sum(weight.numel() for weight in model.parameters()) == 252_002_304
    return set(model.state_dict())


_OLDER = "vision_model.vision_model."
_LAYOUTS: dict[str, Callable[[str], str]] = {
    "transformers": lambda name: "vlm." + name,
    "colpali-engine": lambda name: "model." + re.sub(r"^vision_model\.", _OLDER, name),
    "colpali-engine with transformers 5": lambda name: "model." + name,
    "merged by peft": lambda name: "base_model.model.model." + re.sub(r"^vision_model\.", _OLDER, name),
}
_PROJECTIONS = {
    "transformers": "embedding_proj_layer",
    "colpali-engine": "custom_text_proj",
    "colpali-engine with transformers 5": "model.custom_text_proj",
    "merged by peft": "base_model.model.custom_text_proj",
}


@pytest.mark.parametrize("layout", _LAYOUTS)
def test_every_published_name_becomes_one_of_transformers(layout: str, native: set[str]) -> None:
    published = [_LAYOUTS[layout](name) for name in native]
    head = {part: f"{_PROJECTIONS[layout]}.{part}" for part in ("weight", "bias")}
    found = _read([*published, *head.values()])
    assert {_renamed(name, found.renames) for name in published} == native
    assert len(published) + len(head) == 345
    assert found.head == head
    assert {_renamed(name, found.renames) for name in found.unused} == {
        name for name in native if name.startswith("vision_model.head.")
    }


def test_unknown_names_and_names_that_mean_the_same_are_refused() -> None:
    with pytest.raises(CheckpointError, match="has 1 tensors that are part of no model of this kind: lm_head"):
        _read(["lm_head.weight"])
    with pytest.raises(CheckpointError, match="stores one tensor twice"):
        _read(["custom_text_proj.bias", "model.custom_text_proj.bias"])
