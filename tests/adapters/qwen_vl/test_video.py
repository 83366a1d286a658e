"""Videos as the model reads them: the frames, sizes, moments and numbers of transformers' processor."""

from __future__ import annotations

import importlib
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.video_utils import VideoMetadata

from cenote.adapters.qwen_vl import ImageRules, PreparedVideo, VideoRules, prepare_video
from cenote.adapters.qwen_vl.pixels import pixel_table, pixel_values
from cenote.checkpoints import Checkpoint
from cenote.errors import CheckpointError, InvalidRequest
from cenote.media import Clip, MediaCache

#: Imported by its full name, which needs no torchvision.
REFERENCE = importlib.import_module("transformers.models.qwen3_vl.video_processing_qwen3_vl")
PROCESSING = importlib.import_module("transformers.models.qwen3_vl.processing_qwen3_vl")

SETTINGS: dict[str, Any] = {
    "video_processor_type": "Qwen3VLVideoProcessor",
    "patch_size": 16,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "size": {"shortest_edge": 4096, "longest_edge": 25165824},
    "fps": 2,
    "min_frames": 4,
    "max_frames": 768,
}
IMAGES = ImageRules(
    patch_size=16,
    merge_size=2,
    temporal_patch_size=2,
    min_pixels=1,
    max_pixels=1 << 24,
    mean=(0.5,) * 3,
    std=(0.5,) * 3,
)


def _rules(folder: Path, kwargs: dict[str, Any] | None = None, **changes: Any) -> VideoRules:
    (folder / "video_preprocessor_config.json").write_text(json.dumps({**SETTINGS, **changes}))
    return VideoRules.of(Checkpoint(path=folder, name="tiny", config={}), kwargs or {}, IMAGES)


def _clip(frames: int, height: int = 64, width: int = 96, **metadata: Any) -> Clip:
    return Clip.of_frames(_pixels(frames, height, width), metadata)


def _pixels(frames: int, height: int, width: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    draw = np.random.default_rng(frames)
    return draw.integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


class Reference(REFERENCE.Qwen3VLVideoProcessor):  # type: ignore[name-defined, misc]
    """The processor, with torch's own functions in place of those of torchvision that call them."""

    def resize(self, videos: Any, size: Any, factor: int, temporal_factor: int, **_: Any) -> Any:
        count, height, width = videos.shape[1], *videos.shape[-2:]
        found = REFERENCE.smart_resize(
            count, height, width, temporal_factor, factor, size.shortest_edge, size.longest_edge
        )
        rows = torch.nn.functional.interpolate(videos.flatten(0, 1), found, mode="bicubic", antialias=True)
        return rows.unflatten(0, videos.shape[:2])

    def rescale_and_normalize(self, videos: Any, *_: Any) -> Any:
        return (videos.float() - 127.5) / 127.5


@pytest.mark.parametrize("fps", [1.0, 10.0, 23.976, 24.0, 29.97, 60.0])
def test_frames_and_moments_are_those_of_transformers(tmp_path: Path, fps: float) -> None:
    rules = _rules(tmp_path, max_frames=16)
    processor = Reference(max_frames=16)
    for total in (2, 3, 4, 5, 7, 9, 30, 31, 100, 301):
        plan = rules.plan(_clip(total, 2, 3, fps=fps))
        expected = processor.sample_frames(VideoMetadata(total_num_frames=total, fps=fps)).tolist()
        assert list(plan.indices) == expected, total
        times = PROCESSING.Qwen3VLProcessor._calculate_timestamps(None, list(expected), fps, 2)
        assert plan.moments == tuple(f"<{time:.1f} seconds>" for time in times), total


@pytest.mark.parametrize("limits", [(4096, 25165824), (128 * 1024, 768 * 1024), (1024, 40000), (3136, 1003520)])
def test_sizes_are_those_of_transformers(tmp_path: Path, limits: tuple[int, int]) -> None:
    rules = _rules(tmp_path, {"min_video_pixels": limits[0], "max_video_pixels": limits[1]})
    draw = random.Random(limits[1])
    sizes = [(2, 16, 48), (3, 48, 16), (5, 80, 112), (4, 1, 150), (7, 150, 1), (2, 1, 1), (5, 31, 33)]
    sizes += [(draw.randint(2, 64), draw.randint(1, 2000), draw.randint(1, 2000)) for _ in range(2000)]
    for frames, height, width in sizes:
        try:
            expected = REFERENCE.smart_resize(frames, height, width, 2, 32, *limits)
        except ValueError:
            with pytest.raises(InvalidRequest, match="200 times"):
                rules._fit(frames, width, height)
            continue
        rows, columns = rules._fit(frames, width, height)
        assert (rows * 32, columns * 32) == expected, (frames, height, width)


def _values(prepared: PreparedVideo) -> torch.Tensor:
    return pixel_values(torch.from_numpy(prepared.patches.copy()), pixel_table(IMAGES), prepared.patches.shape[1])


@pytest.mark.parametrize(
    ("frames", "height", "width"), [(4, 64, 96), (5, 48, 100), (8, 200, 120), (30, 33, 47), (2, 20, 300)]
)
def test_numbers_are_those_of_transformers(tmp_path: Path, frames: int, height: int, width: int) -> None:
    pixels = _pixels(frames, height, width)
    limits = {"shortest_edge": 4096, "longest_edge": 60000}
    prepared = prepare_video(Clip.of_frames(pixels, {"fps": 8.0}), _rules(tmp_path, size=limits))
    processor = Reference(
        size=limits, image_mean=[0.5] * 3, image_std=[0.5] * 3, cap_pixels_per_frame=False, do_convert_rgb=False
    )
    metadata = {"total_num_frames": frames, "fps": 8.0}
    expected = processor(videos=[pixels], video_metadata=[metadata], return_tensors="pt")
    assert list(prepared.grid) == expected["video_grid_thw"][0].tolist()
    torch.testing.assert_close(_values(prepared), expected["pixel_values_videos"], atol=2e-7, rtol=0)


def test_pillow_would_give_nearly_the_same(tmp_path: Path) -> None:
    small = np.random.default_rng(1).integers(0, 256, (4, 9, 9, 3), dtype=np.uint8)
    pixels = np.stack(
        [np.asarray(Image.fromarray(frame).resize((300, 200), Image.Resampling.BICUBIC)) for frame in small]
    )
    rules = _rules(tmp_path, {"max_video_pixels": 60000})
    prepared = prepare_video(Clip.of_frames(pixels), rules)
    _, rows, columns = prepared.grid
    resized = [Image.fromarray(frame).resize((columns * 16, rows * 16), Image.Resampling.BICUBIC) for frame in pixels]
    other = prepare_video(Clip.of_frames(resized), rules)
    difference = np.abs(prepared.patches.astype(int) - other.patches.astype(int))
    assert other.grid == prepared.grid
    assert difference.max() <= 2
    assert (difference > 0).mean() < 0.05


def test_frames_that_were_chosen_before_are_all_taken_with_their_times(tmp_path: Path) -> None:
    plan = _rules(tmp_path).plan(_clip(3, fps=10.0, frames_indices=[0, 10, 29]))
    assert (plan.indices, plan.moments) == ((0, 1, 2), ("<0.5 seconds>", "<2.9 seconds>"))
    assert plan.tokens == (6, 6)


def test_frames_may_be_capped_by_themselves(tmp_path: Path) -> None:
    rules = _rules(tmp_path, cap_pixels_per_frame=True, max_video_tokens=10)
    for frames, height, width in ((4, 640, 480), (8, 100, 900)):
        most = max(min(10 * 1024, 25165824 // frames), int(4096 * 1.05)) * frames
        expected = REFERENCE.smart_resize(frames, height, width, 2, 32, 4096, most)
        rows, columns = rules._fit(frames, width, height)
        assert (rows * 32, columns * 32) == expected


def test_a_single_frame_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="Send it as an image"):
        prepare_video(_clip(1), _rules(tmp_path))


def test_equal_videos_are_prepared_once(tmp_path: Path) -> None:
    rules, cache = _rules(tmp_path), MediaCache(1 << 24)
    first = prepare_video(_clip(6), rules, cache)
    assert prepare_video(_clip(6), rules, cache) is first
    assert prepare_video(_clip(6, fps=2.0), rules, cache) is not first
    assert (cache.queries, cache.hits) == (3, 1)
    assert first.nbytes == 4 * 64 * 96 * 3


def test_frames_of_any_memory_layout_are_read(tmp_path: Path) -> None:
    rules, pixels = _rules(tmp_path), _pixels(4, 96, 64)
    turned = np.rot90(pixels, 1, axes=(1, 2))
    turned.setflags(write=False)
    prepared = prepare_video(Clip.of_frames(turned), rules)
    assert (prepared.patches == prepare_video(Clip.of_frames(np.ascontiguousarray(turned)), rules).patches).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"video_processor_type": "Qwen2VLVideoProcessor"}, "Qwen2VLVideoProcessor"),
        ({"patch_size": 14}, "describes other patches"),
        ({"image_mean": [0.4, 0.4, 0.4]}, "describes other patches"),
        ({"do_sample_frames": False}, "do_sample_frames"),
        ({"num_frames": 8}, "num_frames"),
        ({"fps": 0}, "'fps' of videos must be a positive number"),
        ({"max_frames": 2.5}, "'max_frames' of videos must be a positive number"),
        ({"size": {}}, "shortest_edge"),
    ],
)
def test_settings_that_would_change_numbers_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        _rules(tmp_path, **changes)


def test_options_of_the_user_have_the_last_word(tmp_path: Path) -> None:
    assert len(_rules(tmp_path, {"fps": 1.0, "min_frames": 2}).plan(_clip(48)).indices) == 2
    assert len(_rules(tmp_path, {"max_frames": 4, "fps": 24}).plan(_clip(48)).indices) == 4
    with pytest.raises(InvalidRequest, match="'fps' of videos"):
        _rules(tmp_path, {"fps": -1})
