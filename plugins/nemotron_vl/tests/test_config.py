"""What config.json and processor_config.json say, who wins, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cenote import LLM
from cenote.errors import CheckpointError, InvalidRequest

_FAMILY = "llama_nemotron_vl"

Edit = Callable[..., Path]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ps_version": "v1"}, "ps_version"),
        ({"keep_aspect_ratio": True}, "keep_aspect_ratio"),
        ({"pooling": "colbert"}, "pooling"),
        ({"downsample_ratio": 0.3}, "downsample_ratio"),
        ({"force_image_size": 70}, "patches"),
        ({"force_image_size": 96}, "position_embedding"),
        ({"img_context_token_id": None}, "img_context_token_id"),
        ({"img_context_token_id": 5}, "tokenizer"),
        ({"llm_config": {"model_type": "qwen3"}}, "llm_config"),
        ({"vision_config": None}, "vision_config"),
        ({"query_prefix": 5}, "query_prefix"),
        ({"q_max_length": 0}, "q_max_length"),
    ],
)
def test_what_cannot_be_computed_as_it_is_meant_is_refused(edited: Edit, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        LLM(str(edited(_FAMILY, {"config.json": changes})))


@pytest.mark.parametrize(
    ("processor", "kwargs", "compat", "tokens"),
    [
        ({}, {}, "reference", "28 (processor_config.json)"),
        ({"max_input_tiles": None}, {}, "reference", "12 (config.json)"),
        ({"max_input_tiles": None}, {}, "vllm", "28 (default of the model's code)"),
        ({"use_thumbnail": False}, {}, "reference", "24 (processor_config.json)"),
        ({"dynamic_image_size": False}, {}, "reference", "4 (processor_config.json)"),
        ({}, {"max_dynamic_patch": 3}, "reference", "16 (user)"),
        ({}, {"max_input_tiles": 4, "use_thumbnail": False}, "reference", "16 (user)"),
    ],
)
def test_the_user_wins_over_the_processors_file_over_config_json(
    edited: Edit, processor: dict[str, Any], kwargs: dict[str, Any], compat: Any, tokens: str
) -> None:
    folder = edited(_FAMILY, {"processor_config.json": processor})
    with LLM(str(folder), mm_processor_kwargs=kwargs, compat=compat) as llm:
        assert llm.report()["image tokens"] == tokens


@pytest.mark.parametrize(
    "kwargs",
    [{"tiles": 3}, {"max_input_tiles": 0}, {"use_thumbnail": 1}, {"min_input_tiles": 9}],
)
def test_impossible_settings_of_the_user_are_refused(folder_of: Any, kwargs: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match=r"tiles|mm_processor_kwargs"):
        LLM(str(folder_of(_FAMILY)), mm_processor_kwargs=kwargs)


def test_an_impossible_setting_of_a_file_is_refused(edited: Edit) -> None:
    with pytest.raises(CheckpointError, match="norm_type"):
        LLM(str(edited(_FAMILY, {"processor_config.json": {"norm_type": "other"}})))
    with pytest.raises(CheckpointError, match="max_input_tiles"):
        LLM(str(edited(_FAMILY, {"processor_config.json": {"max_input_tiles": "six"}})))


def test_words_in_front_are_those_of_the_files(edited: Edit) -> None:
    with LLM(str(edited(_FAMILY, {"processor_config.json": {"query_prefix": "ask"}}))) as llm:
        (output,) = llm.embed(["Hi"], role="query")
        assert list(output.prompt_token_ids) == llm.get_tokenizer().encode("ask Hi")


def test_the_user_chooses_the_pooling_unless_vllm_is_meant(folder_of: Any) -> None:
    folder = str(folder_of(_FAMILY))
    vectors = []
    for compat, method in (("reference", None), ("reference", "CLS"), ("vllm", "CLS")):
        config = {} if method is None else {"pooler_config": {"seq_pooling_type": method}}
        with LLM(folder, compat=compat, **config) as llm:
            vectors.append(llm.embed(["a text"])[0].outputs.embedding)
    assert vectors[0] == vectors[2] != vectors[1]
