"""Images beside prompts, or in place of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from cenote.errors import InvalidRequest, WrongType
from cenote.inputs import parse_prompts
from cenote.inputs.media import check_modalities
from cenote.media import Clip, Picture
from cenote.types import MediaAddress, MediaItem, Prompt

DATA = "data:image/png;base64,AAAA"
ADDRESS = MediaAddress(DATA, "multi_modal_data")
RED, BLUE = Image.new("RGB", (3, 2), "red"), Image.new("L", (1, 1))
FRAMES = np.stack([np.asarray(RED)] * 2)
CLIP = MediaItem("video", Clip.of_frames(FRAMES))
ITEM, OTHER = (MediaItem("image", Picture.of_image(image)) for image in (RED, BLUE))


@pytest.mark.parametrize(
    ("given", "parsed"),
    [
        ({"multi_modal_data": {"image": RED}}, Prompt(media=(ITEM,))),
        (
            {"multi_modal_data": {"image": [RED, BLUE], "video": None}},
            Prompt(media=(ITEM, OTHER)),
        ),
        (
            {"prompt": "a page", "multi_modal_data": {"image": RED}},
            Prompt(text="a page", media=(ITEM,), is_layout=True),
        ),
        (
            {"prompt_token_ids": [1, 2], "prompt": "a", "multi_modal_data": {"image": (RED,)}},
            Prompt(token_ids=(1, 2), media=(ITEM,)),
        ),
        ({"multi_modal_data": {"image": np.asarray(RED)}}, Prompt(media=(ITEM,))),
        ({"multi_modal_data": {"image": b"png"}}, Prompt(media=(MediaItem("image", b"png"),))),
        ({"multi_modal_data": {"image": DATA}}, Prompt(media=(MediaItem("image", ADDRESS),))),
        ({"multi_modal_data": {"video": FRAMES}}, Prompt(media=(CLIP,))),
        ({"multi_modal_data": {"video": list(FRAMES)}}, Prompt(media=(CLIP,))),
        ({"multi_modal_data": {"video": [RED, RED]}}, Prompt(media=(CLIP,))),
        ({"multi_modal_data": {"video": (FRAMES, {"fps": 24})}}, Prompt(media=(CLIP,))),
        ({"multi_modal_data": {"video": [FRAMES, b"mp4"]}}, Prompt(media=(CLIP, MediaItem("video", b"mp4")))),
        (
            {"multi_modal_data": {"video": b"mp4", "image": DATA}},
            Prompt(media=(MediaItem("image", ADDRESS), MediaItem("video", b"mp4"))),
        ),
    ],
)
def test_images_are_parsed(given: dict[str, Any], parsed: Prompt) -> None:
    assert parse_prompts(given) == [parsed]
    assert parse_prompts(["text", given]) == [Prompt(text="text"), parsed]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"multi_modal_data": RED}, WrongType, "must be {'image': image}"),
        ({"multi_modal_data": {}}, InvalidRequest, "holds no image"),
        ({"multi_modal_data": {"image": []}}, InvalidRequest, "holds no image"),
        ({"multi_modal_data": {"image": 5}}, WrongType, "An image is an address"),
        ({"multi_modal_data": {"image": [RED, None]}}, WrongType, "An image is an address"),
        ({"multi_modal_data": {"image": ""}}, InvalidRequest, "is empty"),
        ({"multi_modal_data": {"video": 5}}, WrongType, "A video is an address"),
        ({"multi_modal_data": {"image": np.zeros((2, 2))}}, InvalidRequest, "uint8"),
        ({"multi_modal_data": {"image": np.zeros((3, 2, 2), np.uint8)}}, InvalidRequest, r"of shape \[3, 2, 2\]"),
        ({"multi_modal_data": {"audio": 1, "image": RED}}, InvalidRequest, "has 'audio'; what is known is 'image' and"),
    ],
)
def test_what_is_no_image_is_refused(given: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as refused:
        parse_prompts(given)
    assert refused.value.param == "multi_modal_data"


@pytest.mark.parametrize("other", [{"text": "a"}, {"text": "a", "text_pair": "b"}, {"messages": [{"role": "user"}]}])
def test_images_go_with_a_prompt_only(other: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="goes with 'prompt' or 'prompt_token_ids'"):
        parse_prompts({"multi_modal_data": {"image": RED}, **other})


def test_a_model_is_given_only_what_it_reads() -> None:
    check_modalities(Prompt(text="a"), ("text",))
    check_modalities(Prompt(media=(ITEM,)), ("text", "image"))
    with pytest.raises(InvalidRequest) as refused:
        check_modalities(Prompt(text="a", media=(ITEM,)), ("text",))
    assert str(refused.value) == "This model reads text only; the prompt has an image."
    assert refused.value.param == "multi_modal_data"
