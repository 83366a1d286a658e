"""Pooling settings: spellings that are accepted, and those that are refused with what to write instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pytest

import cenote
import cenote.config
from cenote import PoolerConfig
from cenote.config import EngineConfig
from cenote.errors import InvalidRequest


def test_it_is_one_class_under_both_names() -> None:
    assert cenote.PoolerConfig is cenote.config.PoolerConfig


@pytest.mark.parametrize("name", ["CLS", "LAST", "MEAN", "MAX", "MEAN_SQRT_LEN", "WEIGHTED_MEAN", "CLS+MEAN"])
def test_pooling_type_is_shorthand_for_sequence_methods(name: str) -> None:
    config = PoolerConfig(pooling_type=name)
    assert (config.seq_pooling_type, config.tok_pooling_type, config.pooling_type) == (name, None, None)


@pytest.mark.parametrize("name", ["ALL", "STEP"])
def test_pooling_type_is_shorthand_for_token_methods(name: str) -> None:
    config = PoolerConfig(pooling_type=name)
    assert (config.seq_pooling_type, config.tok_pooling_type) == (None, name)


@pytest.mark.parametrize("other", [{"seq_pooling_type": "MEAN"}, {"tok_pooling_type": "ALL"}])
def test_the_shorthand_is_not_combined_with_what_it_stands_for(other: dict[str, Any]) -> None:
    with pytest.raises(
        InvalidRequest, match="pooling_type or seq_pooling_type and tok_pooling_type, not both"
    ) as caught:
        PoolerConfig(pooling_type="CLS", **other)
    assert caught.value.param == "pooling_type"


@pytest.mark.parametrize(
    ("fields", "param", "message"),
    [
        ({"pooling_type": "mean"}, "pooling_type", "pooling_type='mean': names are written in upper case: 'MEAN'"),
        ({"pooling_type": "step"}, "pooling_type", "upper case: 'STEP'"),
        ({"seq_pooling_type": "Cls+mean"}, "seq_pooling_type", r"upper case: 'CLS\+MEAN'"),
        ({"tok_pooling_type": "all"}, "tok_pooling_type", "upper case: 'ALL'"),
        ({"seq_pooling_type": "ALL"}, "seq_pooling_type", "ALL keeps every token; give it as tok_pooling_type"),
        ({"pooling_type": "CLS+STEP"}, "pooling_type", "STEP keeps every token"),
        ({"seq_pooling_type": "last token"}, "seq_pooling_type", "is no pooling type. Known: CLS, LAST, MEAN"),
        ({"seq_pooling_type": "CLS+"}, "seq_pooling_type", "is no pooling type"),
        ({"pooling_type": 3}, "pooling_type", "is no pooling type"),
        ({"tok_pooling_type": "CLS"}, "tok_pooling_type", "'CLS' is no pooling type. Known: ALL, STEP"),
        ({"normalize": True}, "normalize", "has no 'normalize'; set use_activation instead"),
        ({"task": "encode"}, "task", "'encode' was removed; use token_embed or token_classify"),
        ({"logit_sigma": 0}, "logit_sigma", "cannot be 0"),
        ({"logit_sigma": 0.0}, "logit_sigma", "cannot be 0"),
        ({"logit_mean": float("nan")}, "logit_mean", "finite"),
        ({"logit_bias": 1.0, "logit_mean": 2.0}, "logit_bias", "older name of logit_mean; give one of them"),
        ({"dimensions": 0}, "dimensions", "greater than or equal to 1"),
        ({"max_embed_len": 0}, "max_embed_len", "greater than or equal to 1"),
        ({"step_tag_id": -1}, "step_tag_id", "greater than or equal to 0"),
        ({"returned_token_ids": [-1]}, "returned_token_ids.0", "greater than or equal to 0"),
        ({"use_activation": "perhaps"}, "use_activation", "boolean"),
        (
            {"seq_poling_type": "CLS"},
            "seq_poling_type",
            r"Unknown field of PoolerConfig 'seq_poling_type'\. Did you mean seq_pooling_type",
        ),
        ({"softmax": True}, "softmax", "Unknown field of PoolerConfig 'softmax'"),
    ],
)
def test_wrong_settings_are_refused_with_their_field(fields: dict[str, Any], param: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message) as direct:
        PoolerConfig(**fields)
    with pytest.raises(InvalidRequest, match=message) as through_options:
        EngineConfig.from_options(pooler_config=fields)
    assert direct.value.param == through_options.value.param == param


def test_a_method_of_a_plugin_is_left_to_loading() -> None:
    assert PoolerConfig(pooling_type="FIRST_LAST").seq_pooling_type == "FIRST_LAST"


def test_the_older_name_of_the_mean_is_accepted_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match="older name of logit_mean"):
        config = PoolerConfig(logit_bias=1.5)
    assert config.logit_mean == 1.5


def test_score_is_a_task_as_good_as_any() -> None:
    assert PoolerConfig(task="score").task == "score"


@dataclass
class LikeVllm:
    """What users of vLLM have in their hands."""

    pooling_type: str | None = None
    seq_pooling_type: str | None = "CLS"
    use_activation: bool | None = False
    something_new: int | None = None


@pytest.mark.parametrize(
    "given",
    [
        LikeVllm(),
        {"seq_pooling_type": "CLS", "use_activation": False},
        MappingProxyType({"pooling_type": "CLS", "use_activation": False}),
        PoolerConfig(pooling_type="CLS", use_activation=False),
    ],
)
def test_options_take_settings_in_any_like_form(given: Mapping[str, Any]) -> None:
    config = EngineConfig.from_options(pooler_config=given).pooler_config
    assert config == PoolerConfig(seq_pooling_type="CLS", use_activation=False)


def test_a_like_dataclass_with_an_unknown_setting_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="'something_new'"):
        EngineConfig.from_options(pooler_config=LikeVllm(something_new=1))


@pytest.mark.parametrize("given", ["CLS", 3, LikeVllm])
def test_anything_else_is_refused(given: object) -> None:
    with pytest.raises(InvalidRequest, match="must be a PoolerConfig or a mapping of its fields, not") as caught:
        EngineConfig.from_options(pooler_config=given)
    assert caught.value.param == "pooler_config"


def test_settings_are_hashable_and_cannot_be_changed() -> None:
    config = PoolerConfig(returned_token_ids=[1, 2])
    assert hash(config) == hash(PoolerConfig(returned_token_ids=(1, 2)))
    with pytest.raises(ValueError, match="frozen"):
        config.task = "embed"
