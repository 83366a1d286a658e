"""How many tiles an image has is told from its size, and is what transformers' processor makes of it."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image
from transformers import Idefics3ImageProcessorPil

from cenote.media import Picture
from cenote_colpali.tiles import tile_marks, tiles_of

_SIZES = [
    (1, 1), (64, 64), (640, 480), (480, 640), (1275, 1650), (1920, 1080), (48, 80), (20, 900), (900, 20), (333, 1000),
    (1, 700), (700, 1), (129, 128), (255, 257), (500, 499), (97, 31),
]  # fmt: skip


@pytest.mark.parametrize(
    "settings",
    [
        {"size": {"longest_edge": 256}},
        {"size": {"longest_edge": 200}},
        {"size": {"longest_edge": 65}},
        {"size": {"longest_edge": 64}},
        {"size": {"longest_edge": 30}},
        {"size": {"height": 100, "width": 150}},
        {"size": {"longest_edge": 256}, "do_resize": False},
        {"size": {"longest_edge": 256}, "do_image_splitting": False},
    ],
    ids=str,
)
def test_rows_and_columns_are_those_of_the_processor(settings: dict[str, Any]) -> None:
    processor = Idefics3ImageProcessorPil(max_image_size={"longest_edge": 64}, **settings)
    for width, height in _SIZES:
        made = processor.preprocess(
            Image.new("RGB", (width, height)), return_row_col_info=True, return_tensors=None, do_normalize=False
        )
        rows, columns = tiles_of(processor, width, height)
        assert (rows, columns) == (made["rows"][0][0], made["cols"][0][0]), (width, height)
        assert len(made["pixel_values"][0]) == rows * columns + 1


def test_no_side_is_longer_than_that_of_the_processor() -> None:
    processor = Idefics3ImageProcessorPil(max_image_size={"longest_edge": 512}, size={"longest_edge": 8192})
    image = Image.new("RGB", (40, 13))
    made = processor.preprocess(image, return_row_col_info=True, return_tensors=None, do_normalize=False)
    assert tiles_of(processor, *image.size) == (made["rows"][0][0], made["cols"][0][0]) == (3, 8)


def test_every_tile_has_its_mark_and_the_last_one_is_the_whole_image() -> None:
    processor = Idefics3ImageProcessorPil(max_image_size={"longest_edge": 64}, size={"longest_edge": 128})
    fake = "<fake_token_around_image>"
    assert tile_marks(processor)(Picture.of_image(Image.new("RGB", (40, 40)))) == (
        f"{fake}<row_1_col_1>",
        f"{fake}<row_1_col_2>",
        f"\n{fake}<row_2_col_1>",
        f"{fake}<row_2_col_2>",
        f"\n\n{fake}<global-img>",
    )
    processor = Idefics3ImageProcessorPil(max_image_size={"longest_edge": 64}, size={"longest_edge": 64})
    assert tile_marks(processor)(Picture.of_image(Image.new("RGB", (40, 40)))) == (f"{fake}<global-img>",)
