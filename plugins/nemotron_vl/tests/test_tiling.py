"""How images are cut: as many tiles, in the same places and of the same pixels as NVIDIA's processor makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cenote.adapters.towers import FixedImages
from cenote.media import MediaCache, Picture
from cenote.testing.pictures import sample_picture
from cenote_nemotron_vl.tiling import TiledImages, choose_grid, possible_grids


def _tiles(size: int, most: int, *, fewest: int = 1, thumbnail: bool = True) -> TiledImages:
    values = {"size": {"height": size, "width": size}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    images = FixedImages.build("siglip", values, source="a test")
    return TiledImages(images=images, fewest=fewest, most=most, thumbnail=thumbnail)


def test_grids_of_one_size_stand_in_the_order_of_the_reference() -> None:
    assert possible_grids(1, 6) == [
        *[(1, 1), (1, 2), (2, 1), (3, 1), (1, 3), (4, 1), (1, 4), (2, 2)],
        *[(1, 5), (5, 1), (6, 1), (2, 3), (1, 6), (3, 2)],
    ]


@pytest.mark.parametrize(
    ("width", "height", "counts"),
    [(1275, 1650, (1, 3, 5, 7)), (640, 480, (1, 1, 1, 7)), (1920, 1080, (1, 3, 5, 7))],
)
def test_images_get_as_many_tiles_as_published(width: int, height: int, counts: tuple[int, ...]) -> None:
    for most, expected in zip((1, 2, 4, 6), counts, strict=True):
        columns, rows = choose_grid(width, height, possible_grids(1, most), 512)
        assert columns * rows + (columns * rows > 1) == expected


def test_the_first_of_two_grids_that_fit_equally_well_is_taken() -> None:
    assert choose_grid(100, 100, [(1, 2), (2, 1)], 512) == (1, 2)
    assert choose_grid(100, 100, [(2, 1), (1, 2)], 512) == (2, 1)


@pytest.mark.parametrize("size", [(300, 100), (90, 240), (64, 64), (200, 190)])
@pytest.mark.parametrize("thumbnail", [True, False])
def test_pixels_are_those_of_one_crop_after_the_other(reference: Any, size: tuple[int, int], thumbnail: bool) -> None:
    tiles, image = _tiles(64, 6, thumbnail=thumbnail), sample_picture(*size, seed=4)
    columns, rows = choose_grid(*size, possible_grids(1, 6), 64)
    found = tiles.of_image(image).pixels
    assert found.dtype == np.uint8
    assert (found == reference.tile_by_crops(image, columns, rows, 64, thumbnail=thumbnail)).all()


def test_the_count_is_told_before_the_image_is_decoded() -> None:
    for most in (1, 2, 6):
        tiles = _tiles(32, most)
        for size in ((300, 100), (32, 32), (50, 400)):
            picture = Picture.of_image(sample_picture(*size, seed=1))
            assert tiles.count(picture) == len(tiles.prepare(picture).pixels) <= tiles.largest


def test_at_least_so_many_tiles_are_made_as_asked_for() -> None:
    assert _tiles(32, 4, fewest=4).count(Picture.of_image(sample_picture(20, 20, seed=0))) == 5


def test_a_cached_image_is_cut_once_for_each_setting() -> None:
    cache, picture = MediaCache(2**20), Picture.of_image(sample_picture(90, 40, seed=2))
    tiles = _tiles(32, 6)
    assert tiles.prepare(picture, cache) is tiles.prepare(picture, cache)
    assert len(_tiles(32, 1).prepare(picture, cache).pixels) == 1
    assert len(_tiles(32, 6, thumbnail=False).prepare(picture, cache).pixels) == tiles.count(picture) - 1
