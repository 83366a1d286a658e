"""The published names of all tensors, at the real sizes, become those of transformers' PaliGemma."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from transformers import GemmaConfig, PaliGemmaConfig, PaliGemmaModel, SiglipVisionConfig

from cenote.errors import CheckpointError
from cenote_colpali.colpali import PARTS, UNUSED
from cenote_colpali.names import StoredNames, read_names

_HEAD = ("embedding_proj_layer.weight", "embedding_proj_layer.bias")


def _read(names: list[str]) -> StoredNames:
    return read_names(names, "some", PARTS, UNUSED)


def _renamed(name: str, renames: dict[str, str]) -> str:
    for pattern, target in renames.items():
        name = re.sub(pattern, target, name, count=1)
    return name


@pytest.fixture(scope="module")
def native() -> set[str]:
    """Return the names that transformers has at the sizes of colpali-v1.3-hf."""
    vision = SiglipVisionConfig(num_hidden_layers=27, vision_use_head=False)
    config = PaliGemmaConfig(vision_config=vision, text_config=GemmaConfig(num_hidden_layers=18))
    with torch.device("meta"):
        names = PaliGemmaModel(config).state_dict()
    return set(names)


_LAYOUTS: dict[str, Callable[[str], str]] = {
    "published": lambda name: (
        "vlm."
        + name.replace("vision_tower.", "vision_tower.vision_model.").replace(
            "language_model.", "language_model.model."
        )
    ),
    "transformers 5": lambda name: "vlm." + name,
    "transformers 4.53": lambda name: "vlm.model." + name,
    "colpali-engine": lambda name: "model." + name,
    "merged by peft": lambda name: "base_model.model.model." + name,
}


@pytest.mark.parametrize("layout", _LAYOUTS)
def test_every_published_name_becomes_one_of_transformers(layout: str, native: set[str]) -> None:
    published = [_LAYOUTS[layout](name) for name in native]
    found = _read([*published, *_HEAD])
    assert {_renamed(name, found.renames) for name in published} == native
    assert len(published) + len(_HEAD) == 605
    assert found.head == {"weight": _HEAD[0], "bias": _HEAD[1]}
    assert found.unused == ()


def test_the_tied_output_layer_and_computed_buffers_are_not_read() -> None:
    unused = ("vlm.language_model.lm_head.weight", "vlm.language_model.model.layers.0.self_attn.rotary_emb.inv_freq")
    assert set(_read([*unused, *_HEAD]).unused) == set(unused)


def test_the_projection_of_colpali_engine_has_another_name() -> None:
    assert set(_read(["custom_text_proj.weight", "custom_text_proj.bias"]).head) == {"weight", "bias"}


def test_unknown_names_and_names_that_mean_the_same_are_refused() -> None:
    with pytest.raises(CheckpointError, match="has 1 tensors that are part of no model of this kind: score"):
        _read(["score.weight", *_HEAD])
    with pytest.raises(CheckpointError, match="never merged"):
        _read(["vlm.model.other.lora_A.weight"])
    with pytest.raises(CheckpointError, match="stores one tensor twice"):
        _read(["vlm.language_model.norm.weight", "vlm.language_model.model.norm.weight"])
    with pytest.raises(CheckpointError, match="stores one tensor twice"):
        _read([*_HEAD, "custom_text_proj.weight"])
