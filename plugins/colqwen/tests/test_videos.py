"""Videos of ColQwen3.5: how they are written, counted and cut, and what is refused."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np
import pytest

from cenote import LLM
from cenote.errors import InvalidRequest, PromptTooLong

_VIDEO = "<|vision_start|><|video_pad|><|vision_end|>"
_PAD = "<|endoftext|>"


def _frames(count: int = 4, height: int = 64, width: int = 64, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def _once(ids: Any, place: int) -> list[int]:
    found = list(ids)
    return [token for at, token in enumerate(found) if token != place or not at or found[at - 1] != place]


def _seen(moments: tuple[str, ...]) -> str:
    return "".join(f"<{moment} seconds>{_VIDEO}" for moment in moments)


@pytest.mark.parametrize("text", ["", "a word"])
def test_each_moment_of_a_video_stands_in_front_of_its_frame(text: str, loaded: Any, encode: Any, ids_of: Any) -> None:
    prompt = {"prompt": text, "multi_modal_data": {"video": (_frames(), {"fps": 2.0})}}
    (output,) = encode(loaded("colqwen3_5"), [prompt])
    (place,) = ids_of("colqwen3_5", "<|video_pad|>")
    asked = f"Describe the video.{f' {text}' if text else ''}"
    written = f"<|im_start|>user\n{_seen(('0.2', '1.2'))}{asked}<|im_end|>{_PAD}"
    assert _once(output.prompt_token_ids, place) == ids_of("colqwen3_5", written)
    assert len(output.outputs.data) == len(output.prompt_token_ids)


def test_a_layout_of_the_users_own_may_mix_videos_and_images(
    loaded: Any, encode: Any, ids_of: Any, picture: Any
) -> None:
    model = loaded("colqwen3_5")
    video, image = (_frames(), {"fps": 2.0}), picture(64, 32)
    media = {"multi_modal_data": {"video": video, "image": image}}
    places = [ids_of("colqwen3_5", token)[0] for token in ("<|video_pad|>", "<|image_pad|>")]
    for text, expected in (
        (f"see {_VIDEO} and <|image_pad|> here", [(0, 4), (0, 4), (1, 6)]),
        (f"see <|image_pad|> and {_VIDEO} here", [(1, 6), (0, 4), (0, 4)]),
    ):
        (output,) = encode(model, [{"prompt": text, **media}])
        runs = [(token, len(list(run))) for token, run in groupby(output.prompt_token_ids) if token in places]
        assert runs == [(places[kind], count) for kind, count in expected]


def test_token_ids_have_one_placeholder_for_each_frame(loaded: Any, encode: Any, ids_of: Any, picture: Any) -> None:
    model = loaded("colqwen3_5")
    video, image = (ids_of("colqwen3_5", token)[0] for token in ("<|video_pad|>", "<|image_pad|>"))
    media = {"multi_modal_data": {"video": (_frames(), {"fps": 2.0}), "image": picture(64, 64)}}
    (output,) = encode(model, [{"prompt_token_ids": [5, video, 6, video, image], **media}])
    assert list(output.prompt_token_ids) == [5, *[video] * 4, 6, *[video] * 4, *[image] * 4]
    with pytest.raises(InvalidRequest, match="between those of a video's frames"):
        encode(model, [{"prompt_token_ids": [video, image, video], **media}])


def test_positions_of_a_video_name_its_frames(loaded: Any, encode: Any) -> None:
    (output,) = encode(loaded("colqwen3_5"), [{"multi_modal_data": {"video": (_frames(), {"fps": 2.0})}}])
    places = [tuple(position) for position in output.outputs.positions if not isinstance(position, int)]
    assert places == [(frame, row, column) for frame in range(2) for row in range(2) for column in range(2)]


def test_a_video_beyond_the_limit_is_refused_before_it_is_decoded(folder_of: Any, encode: Any) -> None:
    with LLM(str(folder_of("colqwen3_5")), max_model_len=32) as model, pytest.raises(PromptTooLong, match="at most 32"):
        encode(model, [{"multi_modal_data": {"video": (_frames(8, 128, 128), {"fps": 2.0})}}])


def test_frames_of_a_video_are_never_cut(loaded: Any, encode: Any, ids_of: Any) -> None:
    words = " ".join(["word"] * 300)
    prompt = {"prompt": words, "multi_modal_data": {"video": (_frames(), {"fps": 2.0})}}
    (place,) = ids_of("colqwen3_5", "<|video_pad|>")
    for side in ("left", "right"):
        options = {"truncate_prompt_tokens": 90, "truncation_side": side}
        (output,) = encode(loaded("colqwen3_5"), [prompt], tokenization_kwargs=options)
        assert len(output.prompt_token_ids) == 90
        assert list(output.prompt_token_ids).count(place) == 8


def test_files_that_say_nothing_of_videos_leave_a_model_of_text_and_images(edited: Any, encode: Any) -> None:
    with LLM(str(edited("colqwen3_5", {"video_preprocessor_config.json": None}))) as model:
        assert model.report()["modalities"] == "text, image"
        with pytest.raises(InvalidRequest, match="video"):
            encode(model, [{"multi_modal_data": {"video": _frames()}}])
