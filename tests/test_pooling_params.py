"""`PoolingParams` check what they are told."""

from __future__ import annotations

from typing import Any

import pytest

from cenote import LLM, PoolingParams
from cenote.engine.prompts import check_pooling_params, params_per_prompt
from cenote.errors import InvalidRequest, WrongType


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("use_activation", "false"),
        ("use_activation", 1),
        ("dimensions", 16.0),
        ("dimensions", "16"),
        ("dimensions", True),
        ("step_tag_id", "7"),
        ("returned_token_ids", "ab"),
        ("returned_token_ids", [1, "b"]),
        ("returned_token_ids", 5),
        ("prompt", 5),
        ("prompt_name", b"query"),
        ("task", ["embed"]),
        ("lora", 1),
        ("extra_kwargs", "x"),
        ("extra_kwargs", {"max_tokens_per_doc": "x"}),
        ("extra_kwargs", {"chat_template_kwargs": 5}),
    ],
)
def test_a_value_of_another_type_is_refused_at_once(name: str, value: Any) -> None:
    with pytest.raises(WrongType) as caught:
        PoolingParams(**{name: value})
    assert caught.value.param in (name, *(value if isinstance(value, dict) else ()))


def test_unknown_extra_arguments_are_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidRequest, match="no 'bogus'; known: max_tokens_per_query"):
        PoolingParams(extra_kwargs={"bogus": 5})


@pytest.mark.parametrize("older", ["normalize", "softmax", "activation"])
def test_older_names_set_use_activation_with_a_warning(older: str) -> None:
    with pytest.warns(DeprecationWarning, match=older):
        assert PoolingParams(**{older: False}).use_activation is False  # type: ignore[arg-type]


def test_an_older_name_that_contradicts_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="contradicts use_activation"):
        PoolingParams(softmax=True, use_activation=False)
    with pytest.warns(DeprecationWarning, match="normalize"), pytest.raises(InvalidRequest, match="contradicts"):
        PoolingParams(softmax=True, normalize=False)


def test_a_clone_is_equal_and_shares_nothing() -> None:
    params = PoolingParams(extra_kwargs={"chat_template_kwargs": {"a": [1]}})
    clone = params.clone()
    assert clone == params
    assert clone.extra_kwargs is not params.extra_kwargs


@pytest.mark.parametrize("given", [5, "x", {"dimensions": 3}, [PoolingParams(), 5]])
def test_what_is_no_set_of_parameters_is_refused(given: Any) -> None:
    with pytest.raises(WrongType, match="pooling_params"):
        check_pooling_params(given, 2)


def test_the_calls_prompt_and_adapter_fill_what_the_parameters_leave_open() -> None:
    own = PoolingParams(prompt="own: ")
    merged = params_per_prompt([own, PoolingParams()], [None, "legal"], prompt_name="query")
    assert merged == [own, PoolingParams(prompt_name="query", lora="legal")]


def test_wrong_types_never_reach_the_engine() -> None:
    with LLM() as llm:
        for options in (
            {"prompt": 5},
            {"prompt_name": 5},
            {"tokenization_kwargs": 5},
            {"tokenization_kwargs": "x"},
            {"lora_request": "a"},
            {"lora_request": ["a"]},
            {"lora": ["a"]},
            {"chat": 5},
            {"pooling_params": [5]},
        ):
            with pytest.raises(WrongType):
                llm.embed(["a"], use_tqdm=False, **options)  # type: ignore[arg-type]
        with pytest.raises(WrongType):
            llm.encode("a", pooling_task=["embed"], use_tqdm=False)  # type: ignore[arg-type]
        with pytest.raises(WrongType):
            llm.embed_chunks([["a"]], overlap_tokens=2.5, use_tqdm=False)  # type: ignore[arg-type]
