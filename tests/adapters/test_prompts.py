"""Which stored prompt a request gets."""

from __future__ import annotations

import pytest

from cenote.adapters.prompts import StoredPrompts
from cenote.errors import InvalidRequest
from cenote.types import PoolingParams, Prompt

STORED = StoredPrompts({"query": "Q: ", "passage": "P: ", "sts": "S: "}, default_name="sts")
TEXT = Prompt(text="hello")


def test_without_a_wish_the_default_prompt_is_used() -> None:
    assert STORED.prefix(TEXT, None, PoolingParams()) == "S: "


def test_a_role_finds_its_prompt_under_any_of_its_names() -> None:
    assert STORED.prefix(TEXT, "query", PoolingParams()) == "Q: "
    assert STORED.prefix(TEXT, "document", PoolingParams()) == "P: "


def test_a_named_prompt_wins_over_the_role() -> None:
    assert STORED.prefix(TEXT, "query", PoolingParams(prompt_name="passage")) == "P: "


def test_free_text_wins_over_everything_and_may_be_empty() -> None:
    assert STORED.prefix(TEXT, "query", PoolingParams(prompt="> ")) == "> "
    assert STORED.prefix(TEXT, "query", PoolingParams(prompt="")) == ""


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InvalidRequest, match=r"'nope'.*passage, query, sts"):
        STORED.prefix(TEXT, None, PoolingParams(prompt_name="nope"))


def test_token_prompts_take_no_prompt() -> None:
    tokens = Prompt(token_ids=(1, 2))
    assert STORED.prefix(tokens, "query", PoolingParams()) == ""
    with pytest.raises(InvalidRequest, match=r"not of token ids"):
        STORED.prefix(tokens, None, PoolingParams(prompt_name="sts"))
