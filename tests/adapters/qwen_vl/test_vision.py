"""The vision tower over many images: packed and in bounded parts, equal to each image alone."""

from __future__ import annotations

import copy
from types import ModuleType
from typing import Any

import pytest
import torch

from cenote.adapters.linears import PreparedLinear
from cenote.adapters.qwen_vl import PreparedImage, prepare_image, vision
from cenote.adapters.qwen_vl.pixels import pixel_values
from cenote.errors import CheckpointError
from cenote.media import Picture
from cenote.testing.compare import assert_close

SIZES = [(64, 64), (100, 64), (64, 180), (300, 40), (130, 130), (64, 64)]


@pytest.fixture(scope="module")
def images(tiny: ModuleType, stack: Any) -> list[PreparedImage]:
    return [prepare_image(Picture.of_image(tiny.picture(*size)), stack.rules) for size in SIZES]


def _own(twin: Any, stack: Any, image: PreparedImage) -> torch.Tensor:
    """Return what transformers' tower gives for one image, deepstack beside it."""
    pixels = pixel_values(torch.from_numpy(image.patches), stack.tower.table, 3 * 2 * 16 * 16)
    with torch.inference_mode():
        found = twin.model.visual(pixels, grid_thw=torch.tensor([image.grid]))
    return torch.cat([found.pooler_output, *(getattr(found, "deepstack_features", None) or ())], dim=-1)


def _run(tower: Any, images: list[PreparedImage]) -> list[torch.Tensor]:
    with torch.inference_mode():
        return list(tower(images))


def test_images_together_equal_transformers_alone(stack: Any, twin: Any, images: list[PreparedImage]) -> None:
    assert stack.tower.packed
    for image, rows in zip(images, _run(stack.tower, images), strict=True):
        assert rows.shape == (stack.tokens.count(image), stack.tower.width)
        assert_close(rows, _own(twin, stack, image), tolerance=1e-5)


def test_the_rows_of_deepstack_stand_beside_the_others(kind: str, stack: Any) -> None:
    assert stack.tower.width == 64 * (1 if kind == "colqwen3_5" else 4)


@pytest.mark.parametrize("together", [1, 24, 60, 100])
def test_parts_of_any_size_give_the_same(stack: Any, images: list[PreparedImage], together: int) -> None:
    whole = _run(stack.tower, images)
    parted = copy.copy(stack.tower)
    parted.together = together
    chunks = list(parted._chunks([(0, (image.patches, image.grid[1:])) for image in images]))
    assert sum(map(len, chunks)) == len(images)
    assert all(len(chunk) == 1 or sum(len(frame[0]) for _, frame in chunk) <= together for chunk in chunks)
    assert len(chunks) > 1
    for found, expected in zip(_run(parted, images), whole, strict=True):
        assert_close(found, expected, tolerance=1e-5)


def test_an_image_that_is_there_twice_runs_once(stack: Any, images: list[PreparedImage]) -> None:
    seen: list[int] = []
    handle = stack.tower.model.patch_embed.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    try:
        first, other, again = _run(stack.tower, [images[0], images[1], images[0]])
    finally:
        handle.remove()
    assert seen == [len(images[0].patches) + len(images[1].patches)]
    assert again is first
    assert len(other) != len(first)


def test_its_linear_layers_are_prepared(stack: Any) -> None:
    assert isinstance(stack.tower.model.blocks[0].attn.qkv, PreparedLinear)
    assert isinstance(stack.tower.model.patch_embed.proj, PreparedLinear)


def test_no_images_make_no_rows(stack: Any) -> None:
    assert stack.tower([]) == []


def _fresh(twin: Any, stack: Any) -> vision.VisionTower:
    return vision.VisionTower(copy.deepcopy(twin.model.visual), stack.tower.table)


def _leak(_: Any, __: Any, given: dict[str, Any], output: Any) -> Any:
    if len(given.get("packed_lengths", ())) > 1:
        output.pooler_output = output.pooler_output + 0.01 * output.pooler_output.mean(dim=0)
    return output


def _refuse(_: Any, __: Any, given: dict[str, Any]) -> None:
    if "packed_lengths" in given:
        raise RuntimeError("no attention today")


def test_a_tower_that_leaks_when_packed_runs_image_by_image(stack: Any, twin: Any, images: list[PreparedImage]) -> None:
    tower, forced = _fresh(twin, stack), _fresh(twin, stack)
    for one in (tower, forced):
        one.model.register_forward_hook(_leak, with_kwargs=True)
    assert vision.prepare_tower(tower, images, "auto").startswith("one image at a time (results differ by")
    assert not tower.packed
    for image, rows in zip(images, _run(tower, images), strict=True):
        assert_close(rows, _own(twin, stack, image), tolerance=1e-5)
    with pytest.raises(CheckpointError, match="the vision tower is not exact so: results differ"):
        vision.prepare_tower(forced, images, "packed")


def test_a_tower_that_cannot_run_packed_says_why(stack: Any, twin: Any, images: list[PreparedImage]) -> None:
    tower = _fresh(twin, stack)
    native = tower.model.config._attn_implementation
    tower.model.register_forward_pre_hook(_refuse, with_kwargs=True)
    found = vision.prepare_tower(tower, images, "auto")
    assert found == "one image at a time (it raised RuntimeError: no attention today)"
    assert tower.model.config._attn_implementation == native


def test_a_tower_with_broken_weights_is_refused(stack: Any, twin: Any, images: list[PreparedImage]) -> None:
    tower = _fresh(twin, stack)
    tower.model.pos_embed.weight.data[3] = float("nan")
    with pytest.raises(CheckpointError, match="computes NaN or infinity for an image"):
        vision.prepare_tower(tower, images, "auto")
