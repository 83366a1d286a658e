"""What messages show of values that callers sent."""

from __future__ import annotations

from typing import Any

import pytest

from cenote.errors import InvalidRequest
from cenote.inputs import parse_content, parse_prompts
from cenote.inputs.values import brief, describe

ADDRESS = "data:image/png;base64,iVBORw0KGgo"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (5, "int 5"),
        ("short", "str 'short'"),
        ("a text of more than forty characters in all", "str 'a text of more than forty characters..."),
        ("x" * 201, "str of 201 characters"),
        (ADDRESS, "str 'data:..."),
        ([ADDRESS], "list ['data:..."),
        ({"url": "DATA:text/plain,secret"}, "dict {'url': 'DATA:..."),
    ],
)
def test_values_are_described_by_their_beginning_but_not_what_media_hold(value: Any, said: str) -> None:
    assert describe(value) == said


def test_more_may_be_shown() -> None:
    assert brief("x" * 100, 80) == "'" + "x" * 76 + "..."


@pytest.mark.parametrize(
    "parts",
    [
        [{"type": "image_url", "image_url": [ADDRESS]}],
        [{"type": ADDRESS}],
        [{"type": "text", "text": [ADDRESS]}],
        [[ADDRESS]],
    ],
)
def test_refusals_hold_nothing_of_an_image(parts: list[Any]) -> None:
    for read in (
        lambda: parse_content({"content": parts}, "query"),
        lambda: parse_prompts({"messages": [{"role": "user", "content": parts}]}),
    ):
        with pytest.raises(InvalidRequest) as refused:
            read()
        assert "iVBOR" not in str(refused.value)


def test_a_message_with_no_parts_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="The content of message 1 is an empty list; give at least one part"):
        parse_prompts({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": []}]})
