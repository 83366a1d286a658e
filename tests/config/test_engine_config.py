"""Options: unknown names, wrong values, names kept for compatibility, where a value came from."""

from __future__ import annotations

import logging

import pytest
from pydantic import ValidationError

from cenote import PoolerConfig
from cenote.config import EngineConfig, first_set
from cenote.errors import InvalidRequest


def test_unknown_options_are_refused_with_the_nearest_names() -> None:
    with pytest.raises(InvalidRequest, match=r"Unknown option 'max_model_length'.*max_model_len") as caught:
        EngineConfig.from_options(max_model_length=5)
    assert caught.value.param == "max_model_length"


@pytest.mark.parametrize(
    ("option", "value"),
    [("dtype", "int3"), ("max_model_len", 0), ("max_model_len", -2), ("runner", "generate"), ("max_num_seqs", 0)],
)
def test_wrong_values_name_their_option(option: str, value: object) -> None:
    with pytest.raises(InvalidRequest, match=option):
        EngineConfig.from_options(**{option: value})


def test_minus_one_is_the_automatic_length() -> None:
    assert EngineConfig.from_options(max_model_len=-1).max_model_len is None


def test_options_of_generation_are_accepted_where_they_change_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "cenote"):
        EngineConfig.from_options(enforce_eager=True, tensor_parallel_size=1)
    assert "enforce_eager has no effect" in caplog.text


def test_several_devices_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="tensor_parallel_size=2 is not offered"):
        EngineConfig.from_options(tensor_parallel_size=2)


def test_pooling_type_is_shorthand_for_either_kind() -> None:
    assert PoolerConfig(pooling_type="CLS").seq_pooling_type == "CLS"
    assert PoolerConfig(pooling_type="CLS+MEAN").seq_pooling_type == "CLS+MEAN"
    assert PoolerConfig(pooling_type="ALL").tok_pooling_type == "ALL"


@pytest.mark.parametrize(
    "fields",
    [
        {"pooling_type": "mean"},
        {"pooling_type": "CLS", "seq_pooling_type": "MEAN"},
        {"normalize": True},
        {"dimensions": 0},
        {"nonsense": 1},
    ],
)
def test_wrong_pooler_settings_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        PoolerConfig(**fields)  # type: ignore[arg-type]


def test_the_strongest_source_decides_and_is_remembered() -> None:
    assert str(first_set(user=None, sentence_transformers=None, model=None, default=1)) == "1 (pooler_default)"
    assert str(first_set(user=None, sentence_transformers=None, model=2, default=1)) == "2 (model_default)"
    assert str(first_set(user=None, sentence_transformers=3, model=2, default=1)) == "3 (sentence_transformers)"
    assert str(first_set(user=False, sentence_transformers=True, default=True)) == "False (user)"
