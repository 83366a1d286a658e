"""Files of ColModernVBERT: configs in every published form, and what in files is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cenote import LLM
from cenote.errors import CenoteError, CheckpointError

Encode = Callable[..., list[Any]]
_NAME = "colmodernvbert"


def _config(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "config.json").read_text()))


def _inner(folder: Path, part: str | None, **changes: Any) -> Mapping[str, Any]:
    """Return the config of ModernVBERT with changes; an entry of None is left out."""
    inner = _config(folder)["vlm_config"]
    values = {**(inner if part is None else inner[part]), **changes}
    values = {key: value for key, value in values.items() if value is not None}
    return {"vlm_config": values if part is None else {**inner, part: values}}


def _vectors(folder: Path, encode: Encode, picture: Any, **options: Any) -> list[Any]:
    with LLM(str(folder), **options) as model:
        prompts = ["a text of several words", {"multi_modal_data": {"image": picture()}}]
        return [output.outputs.data.float().numpy() for output in encode(model, prompts)]


@pytest.fixture(scope="module")
def usual(folder_of: Any, encode: Encode, picture: Any) -> dict[str, list[Any]]:
    """Return the vectors of both look-alikes as they are."""
    return {name: _vectors(folder_of(name), encode, picture) for name in (_NAME, "modernvbert_flat")}


def _assert_same(found: list[Any], wanted: list[Any]) -> None:
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)


@pytest.mark.parametrize("architectures", [None, ["ColModernVBert"]])
def test_files_that_name_no_class_or_that_of_colpali_engine_load(
    architectures: Any, usual: Any, edited: Any, encode: Encode, picture: Any
) -> None:
    folder = edited("modernvbert_flat", {"config.json": {"architectures": architectures}})
    _assert_same(_vectors(folder, encode, picture), usual["modernvbert_flat"])


def test_a_backbone_alone_is_no_such_model(edited: Any) -> None:
    def headless(tensors: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in tensors.items() if not name.startswith("custom_text_proj")}

    folder = edited("modernvbert_flat", {"config.json": {"architectures": None}}, tensors=headless)
    with pytest.raises(CenoteError, match="modernvbert"):
        LLM(str(folder))


def test_rope_and_windows_may_be_said_as_transformers_5_says_them(
    usual: Any, folder_of: Any, edited: Any, encode: Encode, picture: Any
) -> None:
    rope = {
        "full_attention": {"rope_theta": 160000.0, "rope_type": "default"},
        "sliding_attention": {"rope_theta": 10000.0, "rope_type": "default"},
    }
    layers = ["full_attention", "sliding_attention", "sliding_attention", "full_attention"]
    old = {"global_rope_theta": None, "local_rope_theta": None, "global_attn_every_n_layers": None}
    changes = _inner(folder_of(_NAME), "text_config", rope_parameters=rope, layer_types=layers, **old)
    _assert_same(_vectors(edited(_NAME, {"config.json": changes}), encode, picture), usual[_NAME])


@pytest.mark.parametrize("changes", [{"global_rope_theta": 100.0}, {"local_rope_theta": 100.0}, {"local_attention": 4}])
def test_rope_and_windows_come_from_the_file(
    changes: Mapping[str, Any], usual: Any, folder_of: Any, edited: Any, encode: Encode, picture: Any
) -> None:
    folder = edited(_NAME, {"config.json": _inner(folder_of(_NAME), "text_config", **changes)})
    found = _vectors(folder, encode, picture)
    assert max(float(np.abs(one - other).max()) for one, other in zip(found, usual[_NAME], strict=True)) > 1e-3


def test_padded_execution_gives_the_same_vectors(usual: Any, folder_of: Any, encode: Encode, picture: Any) -> None:
    _assert_same(_vectors(folder_of(_NAME), encode, picture, execution="padded"), usual[_NAME])


@pytest.mark.parametrize(
    ("part", "changes", "message"),
    [
        ("text_config", {"model_type": "bert"}, "text_config has model_type 'bert'"),
        ("text_config", {"local_attention": None}, "does not say text_config.local_attention"),
        ("text_config", {"local_rope_theta": None}, "does not say .*text_config.local_rope_theta"),
        ("text_config", {"global_attn_every_n_layers": None}, "text_config.layer_types or text_config.global_attn"),
        ("vision_config", {"model_type": "clip_vision_model"}, "vision_config has model_type 'clip_vision_model'"),
        ("vision_config", {"num_attention_heads": None}, "does not say vision_config.num_attention_heads"),
        ("vision_config", {"image_size": 128}, "position_embedding"),
        (None, {"pixel_shuffle_factor": None}, "does not say pixel_shuffle_factor"),
        (None, {"pixel_shuffle_factor": 4}, "modality_projection"),
        (None, {"image_token_id": 5}, "One of the files belongs to another model"),
        (None, {"text_config": None}, "has no text_config"),
        (None, {"model_type": "idefics3"}, "vlm_config has model_type 'idefics3'"),
    ],
)
def test_configs_that_leave_something_open_or_are_of_another_model_are_refused(
    part: str | None, changes: Mapping[str, Any], message: str, folder_of: Any, edited: Any
) -> None:
    folder = edited(_NAME, {"config.json": _inner(folder_of(_NAME), part, **changes)})
    with pytest.raises(CheckpointError, match=message):
        LLM(str(folder))


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("config.json", {"embedding_dim": 12}, "embedding_dim is 12, but .* size 16"),
        ("config.json", {"mask_non_image_embeddings": True}, "mask_non_image_embeddings"),
        ("processor_config.json", {"image_seq_len": None}, "image_seq_len is 64 .*2 x 2 tokens"),
        ("processor_config.json", {"visual_prompt_prefix": "Look."}, "visual_prompt_prefix must be a text with one"),
        ("preprocessor_config.json", {"max_image_size": {"longest_edge": 48}}, "squares of a multiple of 32 pixels"),
        ("preprocessor_config.json", {"do_something_else": True}, "do_something_else"),
        ("preprocessor_config.json", {"image_processor_type": "OtherImageProcessor"}, "OtherImageProcessor"),
    ],
)
def test_files_that_would_give_other_vectors_are_refused(
    file: str, changes: Mapping[str, Any], message: str, edited: Any
) -> None:
    with pytest.raises(CheckpointError, match=message):
        LLM(str(edited(_NAME, {file: changes})))


@pytest.mark.parametrize("lost", ["embedding_proj_layer.bias", "vlm.connector.modality_projection.weight"])
def test_missing_tensors_are_refused(lost: str, edited: Any) -> None:
    folder = edited(_NAME, tensors=lambda tensors: {key: value for key, value in tensors.items() if key != lost})
    with pytest.raises(CheckpointError, match="projection"):
        LLM(str(folder))
