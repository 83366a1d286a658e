"""Conversations are checked before a template sees them."""

from __future__ import annotations

from typing import Any

import pytest

from cenote.errors import InvalidRequest, WrongType
from cenote.inputs import parse_prompts
from cenote.inputs.messages import join_parts, text_messages


def _parse(messages: Any) -> list[dict[str, Any]]:
    (prompt,) = parse_prompts({"messages": messages})
    assert prompt.messages is not None
    return [dict(message) for message in prompt.messages]


def test_strings_and_text_parts_of_every_spelling_are_text() -> None:
    parts = [
        {"type": "text", "text": "a"},
        "b",
        {"type": "input_text", "text": "c"},
        {"type": "refusal", "refusal": "d"},
        {"text": "e"},
    ]
    messages = _parse([{"role": "system", "content": "s"}, {"role": "user", "name": "me", "content": parts}])
    assert messages[0] == {"role": "system", "content": "s"}
    assert messages[1]["name"] == "me"
    assert messages[1]["content"] == [{"type": "text", "text": letter} for letter in "abcde"]
    assert join_parts(text_messages(messages)[1])["content"] == "a\nb\nc\nd\ne"


def test_roles_are_free_and_content_may_be_missing() -> None:
    assert _parse([{"role": "query", "content": "q"}, {"role": "document", "content": None}, {"role": "x"}]) == [
        {"role": "query", "content": "q"},
        {"role": "document", "content": None},
        {"role": "x", "content": None},
    ]


@pytest.mark.parametrize("kind", ["image_url", "input_audio", "video_url", "prompt_embeds", "poem"])
def test_a_part_that_is_no_text_is_named(kind: str) -> None:
    messages = _parse([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": kind, kind: {}}]}])
    with pytest.raises(InvalidRequest, match=f"Part 1 of message 0 is '{kind}'.*text only") as caught:
        text_messages(messages)
    assert caught.value.param == "messages"


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ("hello", "must be a list"),
        ({"role": "user"}, "must be a list"),
        (["hello"], "Message 0 must be a mapping"),
        ([{"content": "a"}], "role of message 0 must be a string"),
        ([{"role": 3, "content": "a"}], "role of message 0 must be a string"),
        ([{"role": "user", "content": 3}], "content of message 0"),
        ([{"role": "user", "content": {"text": "a"}}], "content of message 0"),
        ([{"role": "user", "content": [3]}], "Part 0 of message 0"),
        ([{"role": "user", "content": [{"type": "text"}]}], "'text' of part 0"),
        ([{"role": "user", "content": [{"url": "a"}]}], "needs a type"),
    ],
    ids=str,
)
def test_wrong_types_are_named(messages: Any, text: str) -> None:
    with pytest.raises(WrongType, match=text):
        _parse(messages)


@pytest.mark.parametrize("messages", [[], [{"role": "", "content": "a"}]], ids=str)
def test_empty_conversations_and_roles_are_refused(messages: Any) -> None:
    with pytest.raises(InvalidRequest, match="empty"):
        _parse(messages)


def test_the_callers_messages_are_not_kept() -> None:
    content = [{"type": "text", "text": "a"}]
    given = {"role": "user", "content": content}
    (message,) = _parse([given])
    content[0]["text"] = "b"
    given["role"] = "system"
    assert message == {"role": "user", "content": [{"type": "text", "text": "a"}]}
