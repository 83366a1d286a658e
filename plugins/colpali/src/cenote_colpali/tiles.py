"""How Idefics3 cuts an image into tiles, told from its size alone, and what is written in front of each."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from cenote.media import Picture

__all__ = ["CLOSING", "tile_marks", "tiles_of"]

#: Stands in front of every tile, and behind the last one.
CLOSING = "<fake_token_around_image>"
_WHOLE = f"{CLOSING}<global-img>"
#: No side gets longer than this, in pixels.
_LONGEST = 4096


def tile_marks(processor: Any) -> Callable[[Picture], tuple[str, ...]]:
    """Return what tells the marks in front of the tiles of an image; the last tile is the whole image, made small.

    Args:
        processor: transformers' own, for images of Idefics3.

    Source: `replace_image_token` of transformers 5.23's `ColModernVBertProcessor`.
    """

    def marks(picture: Picture) -> tuple[str, ...]:
        rows, columns = tiles_of(processor, picture.width, picture.height)
        if not rows:
            return (_WHOLE,)
        cut = [
            ("\n" if row and not column else "") + f"{CLOSING}<row_{row + 1}_col_{column + 1}>"
            for row in range(rows)
            for column in range(columns)
        ]
        return (*cut, f"\n\n{_WHOLE}")

    return marks


def tiles_of(processor: Any, width: int, height: int) -> tuple[int, int]:
    """Return into how many rows and columns of tiles an image is cut; (0, 0) where it is not.

    Args:
        processor: as of `tile_marks`.
        width: of the image in pixels.
        height: of the image in pixels.

    Source: `resize`, `resize_for_vision_encoder` and `split_images` of transformers 5.23's
    `Idefics3ImageProcessorPil`, whose `get_number_of_image_patches` gives other numbers where the longest edge is no
    multiple of a tile.
    """
    if not processor.do_image_splitting:
        return 0, 0
    side = processor.max_image_size["longest_edge"]
    if processor.do_resize:
        width, height = _resized(processor.size, width, height)
    wide, high = _in_tiles(width, height, side)
    if max(wide, high) <= 1:
        return 0, 0
    return high, wide


def _resized(size: Any, width: int, height: int) -> tuple[int, int]:
    """Return the width and height to which an image is resized before it is cut."""
    if not size.longest_edge:
        return size.width, size.height
    longest, ratio = size.longest_edge, width / height
    if width >= height:
        width, height = longest, _even(int(longest / ratio))
    else:
        width, height = _even(int(longest * ratio)), longest
    width, height = max(width, 1), max(height, 1)
    ratio = width / height
    if width >= height and width > _LONGEST:
        width, height = _LONGEST, int(_LONGEST / ratio)
    elif height > width and height > _LONGEST:
        width, height = int(_LONGEST * ratio), _LONGEST
    return max(width, 1), max(height, 1)


def _in_tiles(width: int, height: int, side: int) -> tuple[int, int]:
    """Return how many tiles of a side cover an image from left to right, and from top to bottom."""
    ratio = width / height
    if width >= height:
        wide = math.ceil(width / side)
        return wide, math.ceil(int(wide * side / ratio) / side)
    high = math.ceil(height / side)
    return math.ceil(int(high * side * ratio) / side), high


def _even(length: int) -> int:
    return length + length % 2
