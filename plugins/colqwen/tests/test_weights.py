"""Names of stored tensors: every published layout loads, each rule once, and nothing is left over unseen."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cenote import LLM
from cenote.errors import CheckpointError
from cenote.testing.checkpoints import build_checkpoint
from cenote_colqwen.weights import read_names

_TENSORS = ("visual.pos_embed.weight", "language_model.layers.0.mlp.up_proj.weight", "language_model.norm.weight")


def _vectors(folder: Path, encode: Callable[..., list[Any]], image: Any) -> list[Any]:
    with LLM(str(folder)) as model:
        found = encode(model, ["a word", {"multi_modal_data": {"image": image}}])
    return [output.outputs.data.numpy() for output in found]


@pytest.mark.parametrize("prefix", ["", "model.", "vlm.model.", "base_model.model.", "base_model.model.vlm.model."])
def test_wrappers_are_taken_off_in_their_order(prefix: str) -> None:
    names = read_names([f"{prefix}{name}" for name in _TENSORS], "m")
    assert names.backbone == frozenset(_TENSORS)
    assert set(names.renames.values()) == ({"visual.", "language_model."} if prefix else set())


def test_early_files_have_a_model_within_the_language_model() -> None:
    names = read_names(["language_model.model.norm.weight", "visual.pos_embed.weight"], "m")
    assert names.backbone == {"language_model.norm.weight", "visual.pos_embed.weight"}
    assert names.renames == {r"^language_model\.model\.": "language_model."}


def test_early_files_have_the_layers_right_below_the_model() -> None:
    names = read_names(["model.layers.0.mlp.up_proj.weight", "model.norm.weight", "model.visual.norm.weight"], "m")
    assert names.backbone == {
        "language_model.layers.0.mlp.up_proj.weight",
        "language_model.norm.weight",
        "visual.norm.weight",
    }
    assert not any(new.startswith(old.lstrip("^").replace("\\", "")) for old in names.renames for new in names.renames)


@pytest.mark.parametrize("name", ["custom_text_proj", "embedding_proj_layer", "base_model.model.custom_text_proj"])
def test_the_projection_is_found_by_its_names(name: str) -> None:
    names = read_names([f"{name}.weight", f"{name}.bias", *_TENSORS], "m")
    assert names.head == {"weight": f"{name}.weight", "bias": f"{name}.bias"}


def test_output_layers_drafts_and_computed_buffers_are_not_used() -> None:
    unused = [
        "lm_head.weight",
        "vlm.lm_head.weight",
        "model.language_model.lm_head.weight",
        "mtp.norm.weight",
        "model.language_model.rotary_emb.inv_freq",
    ]
    assert set(read_names([*unused, *_TENSORS], "m").unused) == set(unused)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["visual.norm.weight", "model.visual.norm.weight"], "one tensor twice: as model.visual.norm.weight and as"),
        (["custom_text_proj.weight", "embedding_proj_layer.weight"], "one tensor twice"),
        (["audio_tower.norm.weight"], "1 tensors that are part of no ColQwen model: audio_tower.norm.weight"),
        (["custom_text_proj.lora_A.weight"], "low-rank updates that were never merged"),
    ],
)
def test_names_that_mean_nothing_or_the_same_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_names(names, "m")


_LAYOUTS: dict[str, Callable[[str], str | None]] = {
    "without wrapper": lambda name: name.removeprefix("vlm.").removeprefix("model."),
    "ForConditionalGeneration": lambda name: name.removeprefix("vlm."),
    "wrapped by peft": lambda name: f"base_model.model.{name}",
    "with custom_text_proj": lambda name: name.replace("embedding_proj_layer", "custom_text_proj"),
    "model within": lambda name: name.replace("vlm.model.language_model.", "language_model.model."),
    "layers below model": lambda name: name.replace("vlm.model.language_model.", "model."),
}


@pytest.mark.parametrize("layout", _LAYOUTS)
def test_every_layout_of_names_gives_the_same_vectors(
    layout: str, loaded: Any, edited: Any, encode: Any, picture: Any
) -> None:
    expected = encode(loaded("colqwen3"), ["a word", {"multi_modal_data": {"image": picture()}}])
    found = _vectors(edited("colqwen3", rename=_LAYOUTS[layout]), encode, picture())
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other.outputs.data.numpy())


def test_files_in_parts_give_the_same_vectors(tmp_path: Path, loaded: Any, encode: Any, picture: Any) -> None:
    expected = encode(loaded("colqwen3"), ["a word", {"multi_modal_data": {"image": picture()}}])
    found = _vectors(build_checkpoint("colqwen3", tmp_path / "parts", sharded=True), encode, picture())
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other.outputs.data.numpy())


@pytest.mark.parametrize("family", ["colqwen3", "ops_colqwen3", "colqwen3_5"])
def test_a_missing_bias_is_zero_and_the_report_says_so(family: str, edited: Any, loaded: Any, encode: Any) -> None:
    folder = edited(family, rename=lambda name: None if name.endswith(("proj_layer.bias", "text_proj.bias")) else name)
    with LLM(str(folder)) as model:
        (without,) = encode(model, "a word")
        assert model.report()["projection"].endswith("without a bias)")
    (stored,) = encode(loaded(family), "a word")
    assert loaded(family).report()["projection"].endswith("with its bias)")
    assert np.abs(without.outputs.data.numpy() - stored.outputs.data.numpy()).max() > 1e-3


def test_a_missing_projection_is_an_error(edited: Any) -> None:
    folder = edited("colqwen3", rename=lambda name: None if name.startswith("embedding_proj") else name)
    with pytest.raises(CheckpointError, match="has no projection of its tokens"):
        LLM(str(folder))


def test_a_missing_tensor_of_the_vision_tower_is_an_error(edited: Any) -> None:
    folder = edited("ops_colqwen3", rename=lambda name: None if name == "visual.pos_embed.weight" else name)
    with pytest.raises(CheckpointError, match=r"visual\.pos_embed\.weight"):
        LLM(str(folder))


def test_a_tensor_too_many_within_the_backbone_is_an_error(edited: Any) -> None:
    config = json.loads((edited("ops_colqwen3") / "config.json").read_text())
    changes = {"text_config": {**config["text_config"], "num_hidden_layers": 3}}
    with pytest.raises(CheckpointError, match=r"language_model\.layers\.3\."):
        LLM(str(edited("ops_colqwen3", {"config.json": changes})))


def test_a_projection_in_a_model_without_one_is_an_error(edited: Any) -> None:
    folder = edited(
        "nemotron_colembed", rename=lambda name: "custom_text_proj.weight" if name == "lm_head.weight" else name
    )
    with pytest.raises(CheckpointError, match="project nothing"):
        LLM(str(folder))
