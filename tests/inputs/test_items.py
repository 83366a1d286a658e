"""What is scored or embedded as one item: texts, images, and objects with parts of both."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from cenote.errors import InvalidRequest, WrongType
from cenote.inputs import parse_content
from cenote.media import Picture
from cenote.types import MediaAddress, MediaItem, Prompt

URL, DATA = "https://example.org/a.png", "data:image/png;base64,AAAA"
RED = Image.new("RGB", (3, 2), "red")


def _image(url: str, param: str = "image_url") -> MediaItem:
    return MediaItem("image", MediaAddress(url, param))


def _video(url: str, param: str = "video_url") -> MediaItem:
    return MediaItem("video", MediaAddress(url, param))


PICTURE = MediaItem("image", Picture.of_image(RED))


@pytest.mark.parametrize(
    ("given", "parsed"),
    [
        ("a", Prompt(text="a")),
        (RED, Prompt(media=(PICTURE,))),
        (Prompt(token_ids=(1,)), Prompt(token_ids=(1,))),
        ({"text": "a", "id": 7}, Prompt(text="a")),
        ({"content": "a"}, Prompt(text="a")),
        ({"image": URL}, Prompt(media=(_image(URL, "image"),))),
        ({"image": "AAAA", "text": "a"}, Prompt(text="a", media=(_image(DATA, "image"),))),
        ({"image": b"png"}, Prompt(media=(MediaItem("image", b"png"),))),
        ({"image_url": URL}, Prompt(media=(_image(URL),))),
        ({"image_url": {"url": URL}}, Prompt(media=(_image(URL),))),
        ({"video": URL}, Prompt(media=(_video(URL, "video"),))),
        ({"prompt": "a", "multi_modal_data": {"image": RED}}, Prompt(text="a", media=(PICTURE,), is_layout=True)),
        ({"text": "a", "multi_modal_data": {"image": RED}}, Prompt(text="a", media=(PICTURE,))),
        ({"multi_modal_data": {"image": [RED, RED]}}, Prompt(media=(PICTURE, PICTURE))),
    ],
)
def test_an_item_has_a_text_media_or_both(given: Any, parsed: Prompt) -> None:
    assert parse_content(given, "documents") == parsed


@pytest.mark.parametrize(
    ("part", "found"),
    [
        ({"type": "image_url", "image_url": {"url": URL, "detail": "high"}, "uuid": "1"}, _image(URL)),
        ({"type": "image_url", "image_url": URL}, _image(URL)),
        ({"image_url": URL}, _image(URL)),
        ({"type": "input_image", "image_url": URL}, _image(URL)),
        ({"type": "image", "image": URL}, _image(URL, "image")),
        ({"type": "image", "image": "AAAA"}, _image(DATA, "image")),
        ({"type": "image", "url": URL}, _image(URL, "image")),
        ({"type": "image", "image": RED}, PICTURE),
        ({"type": "image_pil", "image_pil": RED}, PICTURE),
        ({"type": "video_url", "video_url": {"url": URL}}, _video(URL)),
        ({"type": "video", "video": URL}, _video(URL, "video")),
    ],
)
def test_media_parts_come_in_every_spelling(part: dict[str, Any], found: MediaItem) -> None:
    text = {"type": "text", "text": "a"}
    assert parse_content({"content": [text, part, "b"]}, "query") == Prompt(text="a\nb", media=(found,))
    assert parse_content({"content": [part]}, "query") == Prompt(media=(found,))


@pytest.mark.parametrize(
    ("content", "error", "param", "message"),
    [
        (5, WrongType, "documents", r"documents\[1\] must be a text"),
        ({"title": "a"}, WrongType, "documents", "an object with 'title'"),
        ({"content": []}, WrongType, "documents", "must be a text"),
        ({"text": 5}, WrongType, "documents", "must be a text"),
        ({"content": [5]}, WrongType, "documents", r"Part 0 of documents\[1\] must be a mapping"),
        ({"content": [{"type": "text"}]}, WrongType, "documents", r"'text' of part 0 of documents\[1\]"),
        ({"content": [{"type": "input_audio"}]}, InvalidRequest, "documents", "'input_audio', which is not supported"),
        ({"content": [{"type": "video_embeds"}]}, InvalidRequest, "documents", "Supported are text, .*video_url"),
        ({"content": [{"type": "image_url"}]}, InvalidRequest, "image_url", "has no 'image_url'. Send"),
        ({"content": [{"type": "image_url", "image_url": {}}]}, WrongType, "image_url", "An image is an address"),
        ({"content": [{"type": "image_url", "image_url": ""}]}, InvalidRequest, "image_url", "is empty"),
        (
            {"content": [{"type": "image_url", "image_url": None, "uuid": "1"}]},
            InvalidRequest,
            "image_url",
            "not kept under their 'uuid'",
        ),
        ({"content": [{"type": "image_embeds", "image_embeds": 5}]}, WrongType, "image_embeds", "base64 of a saved"),
        ({"image": URL, "multi_modal_data": {"image": RED}}, InvalidRequest, "documents", "has both"),
    ],
)
def test_what_is_neither_text_nor_media_is_refused_with_its_place(
    content: Any, error: type[Exception], param: str, message: str
) -> None:
    with pytest.raises(error, match=message) as refused:
        parse_content(content, "documents[1]")
    assert isinstance(refused.value, InvalidRequest)
    assert refused.value.param == param
