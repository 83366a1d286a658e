"""Vision towers of one image size: many images in bounded chunks, equal to each alone by transformers."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModel, SiglipVisionConfig, SiglipVisionModel

from cenote.adapters.linears import PreparedLinear
from cenote.adapters.packing import pack, select
from cenote.adapters.towers import FixedImages, FixedTower, PreparedPixels, visual_rows
from cenote.errors import CheckpointError, InvalidRequest
from cenote.testing.compare import assert_close

SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32}


def _model(kind: str) -> Any:
    torch.manual_seed(7)
    if kind == "clip":
        model: Any = CLIPVisionModel(CLIPVisionConfig(**SIZES, patch_size=16))
    else:
        model = SiglipVisionModel(SiglipVisionConfig(**SIZES, patch_size=16))
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model.requires_grad_(False).eval()


@pytest.fixture(scope="module")
def images() -> FixedImages:
    values = {"size": {"height": 32, "width": 32}, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.5, 0.4, 0.3]}
    return FixedImages.build("siglip", values, source="test")


@pytest.fixture(scope="module")
def media(images: FixedImages) -> list[PreparedPixels]:
    rng = np.random.default_rng(5)
    pictures = [Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)) for _ in range(5)]
    alone = [images.of_image(picture) for picture in pictures]
    tiles = PreparedPixels(np.concatenate([medium.pixels for medium in alone[:3]]))
    return [*alone, tiles, alone[1]]


def _own(model: Any, images: FixedImages, medium: PreparedPixels, layer: int | None = None) -> Tensor:
    pixels = np.stack([images.table[channel][medium.pixels[:, channel]] for channel in range(3)], axis=1)
    with torch.inference_mode():
        found = [model(torch.from_numpy(tile)[None], output_hidden_states=True) for tile in pixels]
    return torch.cat([made.last_hidden_state if layer is None else made.hidden_states[layer] for made in found])


def _run(tower: FixedTower, media: list[PreparedPixels]) -> list[Tensor]:
    with torch.inference_mode():
        return tower(media)


@pytest.mark.parametrize("layer", [None, -1, -2])
@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_images_together_equal_transformers_alone(
    kind: str, layer: int | None, images: FixedImages, media: list[PreparedPixels]
) -> None:
    model = _model(kind)
    tower = FixedTower.of(copy.deepcopy(model), images, layer=layer)
    for medium, rows in zip(media, _run(tower, media), strict=True):
        expected = _own(model, images, medium, layer)
        assert rows.shape == expected.shape == (len(medium.pixels), 4 + (kind == "clip"), 32)
        assert_close(rows, expected, tolerance=1e-5)
    assert tower.execution.startswith("images together")
    assert any(isinstance(module, PreparedLinear) for module in tower.model.modules())


def test_an_image_that_is_there_twice_runs_once(images: FixedImages, media: list[PreparedPixels]) -> None:
    tower = FixedTower.of(_model("clip"), images)
    ran: list[int] = []
    run = tower.run
    tower.run = lambda pixels: (ran.append(len(pixels)), run(pixels))[1]
    found = _run(tower, media)
    assert sum(ran) == 8
    assert found[1] is found[-1]


@pytest.mark.parametrize("together", [0, 1024, 3 * 1024, 100 * 1024])
def test_chunks_of_any_size_give_the_same(together: int, images: FixedImages, media: list[PreparedPixels]) -> None:
    tower = FixedTower.of(_model("siglip"), images)
    whole = _run(tower, media)
    tower.together = together
    chunks = list(tower._chunks({id(medium): medium for medium in media}))
    assert {len(chunk) for chunk in chunks[:-1]} <= {max(together // 1024, 1)}
    for found, expected in zip(_run(tower, media), whole, strict=True):
        assert_close(found, expected, tolerance=1e-5)


def test_pixels_may_be_numbers_that_the_tower_reads_as_they_are(
    images: FixedImages, media: list[PreparedPixels]
) -> None:
    tower = FixedTower.of(_model("siglip"), images)
    pixels = np.stack([images.table[channel][media[0].pixels[:, channel]] for channel in range(3)], axis=1)
    given, bytes_ = _run(tower, [PreparedPixels(pixels), media[0]])
    assert_close(given, bytes_, tolerance=1e-5)


def test_any_computation_may_stand_behind_a_tower(images: FixedImages, media: list[PreparedPixels]) -> None:
    model = _model("siglip")
    tower = FixedTower.of(model, images, run=lambda pixels: model(pixels).pooler_output)
    assert [rows.shape for rows in _run(tower, media)] == [(len(medium.pixels), 32) for medium in media]


def test_a_tower_whose_images_see_each_other_runs_them_one_by_one(
    images: FixedImages, media: list[PreparedPixels]
) -> None:
    model = _model("siglip")

    def run(pixels: Tensor) -> Tensor:
        hidden: Tensor = model(pixels).last_hidden_state
        return hidden + len(hidden)

    tower = FixedTower.of(model, images, run=run)
    assert "one image at a time (together they differ by" in tower.execution
    first, *_ = _run(tower, media)
    assert_close(first, _own(_model("siglip"), images, media[0]) + 1, tolerance=1e-5)


def test_a_tower_of_another_size_than_its_images_is_refused(images: FixedImages) -> None:
    other = FixedImages.build("siglip", {"size": {"height": 64, "width": 64}}, source="test")
    for kind in ("clip", "siglip"):
        with pytest.raises(CheckpointError, match="cannot read images of 64 x 64 pixels"):
            FixedTower.of(_model(kind), other)


def test_broken_weights_are_told_at_load(images: FixedImages) -> None:
    model = _model("siglip")
    model.post_layernorm.bias[3] = float("nan")
    with pytest.raises(CheckpointError, match="NaN or infinity"):
        FixedTower.of(model, images)


def test_rows_are_put_where_placeholders_stand() -> None:
    batch = pack([(9, 7, 7, 9), (9,), (7, 9)])
    rows = torch.arange(6.0).view(3, 2)
    visual = visual_rows(batch, rows, batch.input_ids == 7)
    assert (visual.counts, visual.position_ids) == ((2, 0, 1), None)
    chosen = select(replace(batch, visual=visual), [2, 1]).visual
    assert chosen is not None
    assert (chosen.rows.tolist(), chosen.mask.tolist()) == ([[4.0, 5.0]], [True, False, False])
    with pytest.raises(InvalidRequest, match="3 placeholders; their images have 2 tokens"):
        visual_rows(batch, rows[:2], batch.input_ids == 7)
