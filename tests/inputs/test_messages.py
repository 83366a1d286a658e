"""Conversations are checked before a template sees them."""

from __future__ import annotations

from typing import Any

import pytest

from cenote.errors import InvalidRequest, WrongType
from cenote.inputs import parse_prompts
from cenote.inputs.messages import join_parts, parse_conversation, readable_messages
from cenote.types import MediaAddress, MediaItem


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
    assert join_parts(readable_messages(messages)[1])["content"] == "a\nb\nc\nd\ne"


def test_roles_are_free_and_content_may_be_missing() -> None:
    assert _parse([{"role": "query", "content": "q"}, {"role": "document", "content": None}, {"role": "x"}]) == [
        {"role": "query", "content": "q"},
        {"role": "document", "content": None},
        {"role": "x", "content": None},
    ]


@pytest.mark.parametrize("kind", ["audio_url", "input_audio", "video_embeds", "prompt_embeds", "poem"])
def test_a_part_of_an_unknown_type_is_named_with_those_that_are_known(kind: str) -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": kind, kind: {}}]}]
    with pytest.raises(
        InvalidRequest, match=f"Part 1 of message 0 .*'{kind}'.*Supported are text, .*image_url"
    ) as caught:
        parse_conversation(messages)
    assert caught.value.param == "messages"


def test_media_are_taken_out_in_their_order() -> None:
    url = "data:image/png;base64,AAAA"
    first: dict[str, Any] = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}, "a"]}
    rest = ["b", {"video_url": {"url": url}}, {"type": "image_embeds", "image_embeds": [[1.0]]}]
    prompt = parse_conversation([first, {"role": "document", "content": rest}])
    assert prompt.messages == (
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "a"}]},
        {"role": "document", "content": [{"type": "text", "text": "b"}, {"type": "video"}, {"type": "image"}]},
    )
    assert [item.kind for item in prompt.media] == ["image", "video", "image_embeds"]
    assert prompt.media[:2] == (
        MediaItem("image", MediaAddress(url, "image_url")),
        MediaItem("video", MediaAddress(url, "video_url")),
    )


def test_media_that_a_model_does_not_read_are_named() -> None:
    parts = ["a", {"type": "video_url", "video_url": "data:,"}]
    messages = parse_conversation([{"role": "user", "content": parts}]).messages or ()
    for kinds, reads in (((), "text"), (("image",), "text and image")):
        with pytest.raises(InvalidRequest, match=f"Part 1 of message 0 is 'video', but this model reads {reads} only"):
            readable_messages(messages, kinds)
    assert readable_messages(messages, ("image", "video")) == list(messages)


def test_media_stand_in_front_of_joined_texts() -> None:
    message = {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "image"}]}
    assert join_parts(message, {"image": "<i>"})["content"] == "<i>\n<i>\na"


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
