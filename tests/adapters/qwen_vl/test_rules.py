"""Sizes of images: as transformers' Qwen2-VL image processor has them, for every size and every file."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

from cenote.adapters.qwen_vl import ImageRules
from cenote.checkpoints import Checkpoint
from cenote.errors import CheckpointError, InvalidRequest

SETTINGS: dict[str, Any] = {
    "image_processor_type": "Qwen2VLImageProcessorFast",
    "processor_class": "Qwen3VLProcessor",
    "patch_size": 16,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "size": {"shortest_edge": 65536, "longest_edge": 16777216},
}
CONFIG = {"vision_config": {"patch_size": 16, "spatial_merge_size": 2, "temporal_patch_size": 2}}


def _checkpoint(folder: Path, config: dict[str, Any] | None = None, **files: Any) -> Checkpoint:
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return Checkpoint(path=folder, name="tiny", config=CONFIG if config is None else config)


def _rules(folder: Path, kwargs: dict[str, Any] | None = None, cap: int | None = None, **changes: Any) -> ImageRules:
    return ImageRules.of(_checkpoint(folder, preprocessor_config={**SETTINGS, **changes}), kwargs or {}, cap)


@pytest.mark.parametrize(
    ("height", "width", "tokens", "capped"),
    [
        *((64, 64, 64, 64), (224, 224, 64, 64), (448, 448, 196, 196), (1000, 700, 682, 682)),
        *((1650, 1275, 2080, 1240), (2200, 1700, 3657, 1240)),
    ],
)
def test_known_sizes_have_their_known_numbers_of_tokens(
    tmp_path: Path, height: int, width: int, tokens: int, capped: int
) -> None:
    for cap, expected in ((None, tokens), (1280, capped)):
        rows, columns = _rules(tmp_path, cap=cap).fit(width, height)
        assert rows * columns == expected


@pytest.mark.parametrize(
    "limits", [(65536, 16777216), (65536, 1310720), (4096, 4096), (1, 2000), (1024, 100000), (3136, 1003520)]
)
def test_sizes_are_those_of_transformers(tmp_path: Path, limits: tuple[int, int]) -> None:
    rules = _rules(tmp_path, {"min_pixels": limits[0], "max_pixels": limits[1]})
    draw = random.Random(limits[1])
    sizes = [(16, 48), (48, 16), (80, 112), (1, 200), (200, 1), (1, 1), (31, 33)]  # halves, and the ends
    sizes += [(draw.randint(1, 4000), draw.randint(1, 4000)) for _ in range(2000)]
    for width, height in sizes:
        if max(width, height) > 200 * min(width, height):
            continue
        expected = smart_resize(height, width, factor=32, min_pixels=limits[0], max_pixels=limits[1])
        rows, columns = rules.fit(width, height)
        assert (rows * 32, columns * 32) == expected, (width, height)


def test_an_image_that_is_too_narrow_is_refused(tmp_path: Path) -> None:
    rules = _rules(tmp_path)
    assert rules.fit(2000, 10)
    with pytest.raises(InvalidRequest, match=r"2001 x 10 pixels; one side may be at most 200 times"):
        rules.fit(2001, 10)


@pytest.mark.parametrize(
    "changes",
    [
        {"size": None, "min_pixels": 4096, "max_pixels": 8192},
        {"min_pixels": 4096, "max_pixels": 8192},
        {"size": {"shortest_edge": 4096, "longest_edge": 8192}},
        {"size": {"shortest_edge": 4096.0, "longest_edge": 8192.0}},
    ],
)
def test_limits_are_read_in_both_spellings_the_older_one_first(tmp_path: Path, changes: dict[str, Any]) -> None:
    rules = _rules(tmp_path, **changes)
    assert (rules.min_pixels, rules.max_pixels) == (4096, 8192)


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        ({"max_pixels": 131072}, (65536, 131072)),
        ({"min_pixels": 1024, "max_pixels": 4096}, (1024, 4096)),
        ({"size": {"longest_edge": 131072}}, (65536, 131072)),
        ({"size": {"shortest_edge": 1024, "longest_edge": 131072}}, (1024, 131072)),
        ({"max_num_visual_tokens": 100}, (65536, 102400)),
        ({}, (65536, 1310720)),
    ],
)
def test_the_user_has_the_last_word(tmp_path: Path, kwargs: dict[str, Any], expected: tuple[int, int]) -> None:
    rules = _rules(tmp_path, kwargs, cap=1280)
    assert (rules.min_pixels, rules.max_pixels) == expected


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"maxpixels": 4}, "'maxpixels', which is unknown; it may have min_pixels, max_pixels, size"),
        ({"max_pixels": 0}, "'max_pixels' must be a whole number from 1 up, got 0"),
        ({"max_pixels": True}, "'max_pixels' must be a whole number"),
        ({"min_pixels": "64"}, "'min_pixels' must be a whole number"),
        ({"max_num_visual_tokens": 1.5}, "'max_num_visual_tokens' must be a whole number"),
        ({"size": {"height": 4}}, "'size' must be like"),
        ({"size": 4}, "'size' must be like"),
        ({"max_pixels": 1024}, "at least 65536 and at most 1024 pixels"),
    ],
)
def test_wrong_settings_of_the_user_are_refused(tmp_path: Path, kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message) as caught:
        _rules(tmp_path, kwargs)
    assert caught.value.param == "mm_processor_kwargs"


def test_settings_that_others_read_are_passed_over(tmp_path: Path) -> None:
    checkpoint = _checkpoint(tmp_path, preprocessor_config=SETTINGS)
    assert ImageRules.of(checkpoint, {"fps": 1.0}, others=("fps",)).max_pixels == 16777216


def test_the_nested_file_comes_before_the_other(tmp_path: Path) -> None:
    nested = {"image_processor": {**SETTINGS, "size": {"shortest_edge": 1024, "longest_edge": 4096}}}
    checkpoint = _checkpoint(tmp_path, processor_config=nested, preprocessor_config=SETTINGS)
    assert ImageRules.of(checkpoint, {}).max_pixels == 4096
    checkpoint = _checkpoint(tmp_path, processor_config={"processor_class": "Qwen3VLProcessor"})
    assert ImageRules.of(checkpoint, {}).max_pixels == 16777216


def test_sizes_of_patches_may_stand_in_the_model_config_alone(tmp_path: Path) -> None:
    few = {name: value for name, value in SETTINGS.items() if name not in ("patch_size", "merge_size")}
    rules = ImageRules.of(_checkpoint(tmp_path, preprocessor_config=few), {})
    assert (rules.patch_size, rules.merge_size, rules.factor) == (16, 2, 32)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_processor_type": "SiglipImageProcessor"}, "names the image processor 'SiglipImageProcessor'"),
        ({"image_mean": None}, "'image_mean' must be three numbers"),
        ({"image_std": [0.5]}, "'image_std' must be three numbers"),
        ({"size": {"shortest_edge": 4096}}, "neither 'max_pixels' nor a whole number 'longest_edge'"),
        ({"size": {"shortest_edge": 4096, "longest_edge": 1024}}, "leave no size"),
        ({"patch_size": 14}, "patch_size = 14, and vision_config of config.json has patch_size = 16"),
        ({"merge_size": 1}, "merge_size = 1, and vision_config of config.json has spatial_merge_size = 2"),
        ({"patch_size": 0}, "'patch_size' must be a whole number"),
        ({"do_resize": False}, "do_resize = False"),
        ({"do_normalize": False}, "do_normalize = False"),
        ({"do_normalize": None}, "do_normalize = None"),
        ({"do_resize": None}, "do_resize = None"),
        ({"do_rescale": None}, "do_rescale = None"),
        ({"resample": None}, "resample = None"),
        ({"image_std": [0.5, 0, 0.5]}, "'image_std' has a 0"),
        ({"image_std": 0.0}, "'image_std' has a 0"),
        ({"size": {"shortest_edge": 4096.5, "longest_edge": 8192}}, "whole number 'shortest_edge'"),
        ({"do_rescale": False}, "do_rescale = False"),
        ({"resample": 2}, "resample = 2"),
        ({"rescale_factor": 0}, "'rescale_factor' must be a positive number"),
    ],
)
def test_files_that_ask_for_something_else_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        _rules(tmp_path, **changes)


def test_without_a_file_nothing_is_guessed(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"neither preprocessor_config.json nor 'image_processor' in processor_"):
        ImageRules.of(_checkpoint(tmp_path), {})
