"""Every accepted form of prompt, and what is said about the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from cenote.errors import InvalidRequest, WrongType
from cenote.inputs import parse_prompts
from cenote.types import Prompt


@pytest.mark.parametrize(
    ("given", "parsed"),
    [
        ("text", [Prompt(text="text")]),
        ("", [Prompt(text="")]),
        (["a", "b"], [Prompt(text="a"), Prompt(text="b")]),
        (("a", "b"), [Prompt(text="a"), Prompt(text="b")]),
        ([1, 2], [Prompt(token_ids=(1, 2))]),
        ([[1, 2], [3]], [Prompt(token_ids=(1, 2)), Prompt(token_ids=(3,))]),
        ([[]], [Prompt(token_ids=())]),
        ({"prompt": "a"}, [Prompt(text="a")]),
        ({"prompt": "a", "cache_salt": "x", "multi_modal_data": None}, [Prompt(text="a")]),
        ({"prompt_token_ids": [1, 2], "prompt": "a"}, [Prompt(token_ids=(1, 2))]),
        ({"text": "a"}, [Prompt(text="a")]),
        ({"text": "a", "text_pair": None}, [Prompt(text="a")]),
        ({"text": "a", "text_pair": "b"}, [Prompt(text="a", text_pair="b")]),
        ({"text": "", "text_pair": ""}, [Prompt(text="", text_pair="")]),
        (
            ["c", {"text": "a", "text_pair": "b"}, [3]],
            [Prompt(text="c"), Prompt(text="a", text_pair="b"), Prompt(token_ids=(3,))],
        ),
        (
            {"prompt_token_ids": [1, 2], "token_type_ids": [0, 1]},
            [Prompt(token_ids=(1, 2), token_type_ids=(0, 1))],
        ),
        (["a", [1], {"prompt": "b"}], [Prompt(text="a"), Prompt(token_ids=(1,)), Prompt(text="b")]),
        (np.array([1, 2]), [Prompt(token_ids=(1, 2))]),
        ([np.int32(1), np.int64(2)], [Prompt(token_ids=(1, 2))]),
        (np.array([[1, 2], [3, 4]]), [Prompt(token_ids=(1, 2)), Prompt(token_ids=(3, 4))]),
        ([np.array([1, 2])], [Prompt(token_ids=(1, 2))]),
        (torch.tensor([1, 2]), [Prompt(token_ids=(1, 2))]),
    ],
    ids=str,
)
def test_accepted_forms(given: Any, parsed: list[Prompt]) -> None:
    assert parse_prompts(given) == parsed


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "NoneType"),
        (5, "int 5"),
        (True, "bool"),
        (1.5, "float"),
        (b"text", "bytes"),
        ([], "empty"),
        ((), "empty"),
        ([True], "bool True"),
        ([1, True], "bool True"),
        ([1, "a"], "str 'a'"),
        (["a", 3], r"begins with a text.*element 1 is int 3\..*token ids in a list"),
        (["a", "b", True], "element 2 is bool True"),
        ([{"prompt": "a"}, 1.5], "begins with a mapping.*element 1 is float"),
        ([1.5], "float 1.5"),
        ([[1, "a"]], "str 'a'"),
        ([None], "NoneType"),
        (["a", None], "NoneType"),
        ([[[1]]], "list"),
        (np.array([1.5]), "float"),
        (np.array(3), "ndarray"),
        ({}, "'prompt' or 'prompt_token_ids'"),
        ({"role": "user", "content": "a"}, "give {'messages'"),
        ({"text_pair": "b"}, "'text_pair' needs 'text'"),
        ({"prompt": "a", "text_pair": "b"}, "'text_pair' needs 'text'"),
        ({"prompt": "a", "text": "b"}, "both 'prompt' and 'text'"),
        ({"text": "a", "messages": [{"role": "user", "content": "a"}]}, "both 'text' and 'messages'"),
        ({"prompt_token_ids": [1], "text": "b"}, "both 'prompt_token_ids' and 'text'"),
        ({"prompt_token_ids": [1], "prompt": 3}, "'prompt' must be a string"),
        ({"text": 3}, "'text' must be a string"),
        ({"text": "a", "text_pair": ["b"]}, "'text_pair' must be a string"),
        ({"text": "a", "token_type_ids": [0]}, "goes with 'prompt_token_ids'"),
        ({"prompt": 3}, "must be a string"),
        ({"prompt_token_ids": "abc"}, "list of integers"),
        ({"prompt_token_ids": [1, 2.0]}, "float"),
        ({"prompt": "a", "token_type_ids": [0]}, "token_type_ids"),
        ({"prompt_token_ids": [1, 2], "token_type_ids": [0]}, "has 1 entries"),
        ({"prompt_token_ids": [1, 2], "token_type_ids": [1, 0]}, "zeros followed by ones"),
        ({"prompt_token_ids": [1, 2], "token_type_ids": [0, 2]}, "zeros followed by ones"),
        ({"prompt": "a", "multi_modal_data": {"image": 1}}, "multi_modal_data"),
        ({"prompt": "a", "mm_processor_kwargs": {"max_pixels": 1}}, "'mm_processor_kwargs' is not offered for single"),
        ({"prompt": "a", "media_io_kwargs": {"video": {}}}, "'media_io_kwargs' is not offered for single"),
        ({"prompt_embeds": [1]}, "prompt_embeds"),
        ({"data": 1}, 'pooling_task="plugin"'),
        ({"prompt": "a", "promt": "b"}, "promt"),
        ({"prompt": "a", 3: "b"}, "Unknown keys"),
        ([np.bool_(True)], "bool"),
        ([torch.tensor(True)], "tensor"),
        ([1, np.float32(1)], "float32"),
        pytest.param(object(), "object", id="object"),
    ],
    ids=str,
)
def test_refused_forms(given: Any, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        parse_prompts(given)


@pytest.mark.parametrize(
    "given",
    [None, 5, b"text", [1, "a"], ["a", 3], {"prompt": 3}, {"text": "a", "text_pair": 1}, {"prompt_token_ids": [1.5]}],
    ids=str,
)
def test_a_value_of_the_wrong_type_is_a_type_error_too(given: Any) -> None:
    with pytest.raises(TypeError) as caught:
        parse_prompts(given)
    assert isinstance(caught.value, WrongType)
    assert isinstance(caught.value, InvalidRequest)
    assert caught.value.param is not None


@pytest.mark.parametrize("given", [[], {}, {"data": 1}, {"prompt": "a", "text": "b"}], ids=str)
def test_a_wrong_value_of_the_right_type_is_no_type_error(given: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_prompts(given)
    assert not isinstance(caught.value, TypeError)


def test_a_long_value_is_not_repeated_whole() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_prompts([1, "x" * 10_000])
    assert len(str(caught.value)) < 200
