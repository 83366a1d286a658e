"""Files of ColPali: configs in every published form, and what in files is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cenote import LLM, PoolingParams
from cenote.errors import CheckpointError, InvalidRequest

Encode = Callable[..., list[Any]]


def _config(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "config.json").read_text()))


def _inner(folder: Path, part: str, **changes: Any) -> Mapping[str, Any]:
    """Return the config of PaliGemma with changes in one part."""
    inner = _config(folder)["vlm_config"]
    values = {**inner[part], **changes}
    return {"vlm_config": {**inner, part: {key: value for key, value in values.items() if value is not None}}}


def _vectors(folder: Path, encode: Encode, picture: Any, **options: Any) -> list[Any]:
    with LLM(str(folder), **options) as model:
        prompts = ["a text", {"multi_modal_data": {"image": picture()}}]
        return [output.outputs.data.float().numpy() for output in encode(model, prompts)]


def test_a_flat_config_gives_the_same_vectors(folder_of: Any, edited: Any, encode: Encode, picture: Any) -> None:
    whole = folder_of("colpali")
    flat = edited(
        "colpali", {"config.json": {**_config(whole)["vlm_config"], "model_type": "colpali", "vlm_config": None}}
    )
    for found, wanted in zip(_vectors(flat, encode, picture), _vectors(whole, encode, picture), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_tensors_may_be_named_as_colpali_engine_names_them(
    folder_of: Any, edited: Any, encode: Encode, picture: Any
) -> None:
    def rename(tensors: dict[str, Any]) -> dict[str, Any]:
        names = {"vlm.": "model.", "embedding_proj_layer": "custom_text_proj"}
        for old, new in names.items():
            tensors = {name.replace(old, new, 1): value for name, value in tensors.items()}
        return tensors

    for found, wanted in zip(
        _vectors(edited("colpali_new", tensors=rename), encode, picture),
        _vectors(folder_of("colpali_new"), encode, picture),
        strict=True,
    ):
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_the_number_format_of_the_text_part_is_not_believed(edited: Any) -> None:
    def halve(tensors: dict[str, Any]) -> dict[str, Any]:
        return {name: value.to(torch.bfloat16) for name, value in tensors.items()}

    folder = edited("colpali", {"config.json": {"torch_dtype": "bfloat16"}}, tensors=halve)
    assert _config(folder)["vlm_config"]["text_config"]["torch_dtype"] == "float32"
    with LLM(str(folder)) as model:
        assert model.report()["dtype"].startswith("torch.bfloat16")


def test_tokens_look_ahead_whatever_the_config_says(folder_of: Any, edited: Any, encode: Encode, picture: Any) -> None:
    changes = _inner(folder_of("colpali"), "text_config", use_bidirectional_attention=False)
    for found, wanted in zip(
        _vectors(edited("colpali", {"config.json": changes}), encode, picture),
        _vectors(folder_of("colpali"), encode, picture),
        strict=True,
    ):
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_padded_execution_gives_the_same_vectors(folder_of: Any, encode: Encode, picture: Any) -> None:
    folder = folder_of("colpali")
    padded = _vectors(folder, encode, picture, execution="padded")
    for found, wanted in zip(padded, _vectors(folder, encode, picture), strict=True):
        np.testing.assert_allclose(found, wanted, atol=2e-6)


def test_many_prompts_at_once_give_what_each_gives_alone(loaded: Any, encode: Encode, picture: Any) -> None:
    model = loaded("colpali")
    images = [picture(40 + 7 * seed, 100 - 9 * seed, seed) for seed in range(6)]
    prompts = ["a", "a longer text of words", *({"multi_modal_data": {"image": image}} for image in images)]
    for prompt, together in zip(prompts, encode(model, prompts), strict=True):
        (alone,) = encode(model, [prompt])
        np.testing.assert_allclose(together.outputs.data.numpy(), alone.outputs.data.numpy(), atol=2e-6)


@pytest.mark.parametrize(
    ("part", "changes", "message"),
    [
        ("text_config", {"model_type": "gemma2"}, "text_config has model_type 'gemma2'"),
        ("vision_config", {"model_type": "clip_vision_model"}, "vision_config has model_type 'clip_vision_model'"),
        ("vision_config", {"image_size": 112}, "position_embedding"),
    ],
)
def test_parts_of_other_models_are_refused(
    part: str, changes: Mapping[str, Any], message: str, folder_of: Any, edited: Any
) -> None:
    folder = edited("colpali", {"config.json": _inner(folder_of("colpali"), part, **changes)})
    with pytest.raises(CheckpointError, match=message):
        LLM(str(folder))


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("config.json", {"vlm_config": {"model_type": "qwen2_vl"}}, "vlm_config has model_type 'qwen2_vl'"),
        ("config.json", {"vlm_config": {"model_type": "paligemma"}}, "has no text_config"),
        ("config.json", {"embedding_dim": 12}, "embedding_dim is 12, but .* size 16"),
        ("config.json", {"mask_non_image_embeddings": True}, "mask_non_image_embeddings"),
        ("preprocessor_config.json", {"image_seq_length": 64}, "image_seq_length 64, .* has 4 x 4 patches"),
        ("preprocessor_config.json", {"size": {"height": 28, "width": 28}, "image_seq_length": 4}, "28 x 28 pixels"),
        ("preprocessor_config.json", {"image_processor_type": "OtherImageProcessor"}, "OtherImageProcessor"),
        ("processor_config.json", {"query_prefix": 3}, "query_prefix must be a text"),
    ],
)
def test_files_that_would_give_other_vectors_are_refused(
    file: str, changes: Mapping[str, Any], message: str, edited: Any
) -> None:
    with pytest.raises(CheckpointError, match=message):
        LLM(str(edited("colpali", {file: changes})))


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("embedding_proj_layer.bias", "has no bias of the projection"),
        ("embedding_proj_layer.weight", "has no weight of the projection"),
        ("vlm.multi_modal_projector.linear.bias", "multi_modal_projector"),
    ],
)
def test_missing_tensors_are_refused(lost: str, message: str, edited: Any) -> None:
    folder = edited("colpali", tensors=lambda tensors: {key: value for key, value in tensors.items() if key != lost})
    with pytest.raises(CheckpointError, match=message):
        LLM(str(folder))


def test_the_placeholder_of_another_tokenizer_is_refused(folder_of: Any, edited: Any) -> None:
    inner = _config(folder_of("colpali"))["vlm_config"]
    changed = {"vlm_config": {**inner, "image_token_index": inner["image_token_index"] - 1}}
    with pytest.raises(CheckpointError, match="One of the files belongs to another model"):
        LLM(str(edited("colpali", {"config.json": changed})))


def test_vectors_are_cut_only_where_the_config_says_so(loaded: Any, edited: Any, encode: Encode) -> None:
    with pytest.raises(InvalidRequest, match="dimensions"):
        encode(loaded("colpali"), ["a"], pooling_params=PoolingParams(dimensions=8))
    with LLM(str(edited("colpali", {"config.json": {"is_matryoshka": True}}))) as model:
        (short,) = encode(model, ["a"], pooling_params=PoolingParams(dimensions=8))
    (whole,) = encode(loaded("colpali"), ["a"])
    cut = whole.outputs.data[:, :8]
    wanted = (cut / cut.norm(dim=-1, keepdim=True)).numpy()
    np.testing.assert_allclose(short.outputs.data.numpy(), wanted, atol=1e-6)


def test_settings_of_other_models_are_refused(folder_of: Any) -> None:
    with pytest.raises(InvalidRequest, match="step_tag_id means nothing"):
        LLM(str(folder_of("colpali")), pooler_config={"task": "token_embed", "step_tag_id": 3})
