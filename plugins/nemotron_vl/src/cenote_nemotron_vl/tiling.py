"""Cut an image into square tiles: as many, and arranged, as its shape asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from cenote.adapters.towers import FixedImages, PreparedPixels
from cenote.media import MediaCache, Picture

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Grid", "TiledImages", "choose_grid", "possible_grids"]

#: Columns and rows of tiles.
Grid: TypeAlias = tuple[int, int]

#: Share of an image's area beyond which more tiles count no more.
_ENOUGH = 0.6


def possible_grids(fewest: int, most: int) -> list[Grid]:
    """Return all grids with so many tiles, the smallest first.

    Grids of one size stay in the order in which CPython iterates over a set that was filled as the reference fills it:
    of two that fit equally well, the first one wins.

    Source: `dynamic_preprocess` of NVIDIA's processor.
    """
    found = {
        (columns, rows)
        for size in range(fewest, most + 1)
        for columns in range(1, size + 1)
        for rows in range(1, size + 1)
        if fewest <= columns * rows <= most
    }
    return sorted(found, key=lambda grid: grid[0] * grid[1])


def choose_grid(width: int, height: int, grids: Sequence[Grid], tile: int) -> Grid:
    """Return the grid that an image fits best, in shape first, and in area as far as it is enlarged little.

    Args:
        width: of the image in pixels.
        height: of the image in pixels.
        grids: to choose from; the first of the best ones.
        tile: pixels on each side of a tile.

    Source: `find_closest_aspect_ratio` of NVIDIA's processor, operation by operation, since rounding decides ties.
    """
    shape = width / height
    area = width * height
    best, best_fit = (1, 1), float("-inf")
    for columns, rows in grids:
        wanted = columns / rows
        fit = min((columns * rows * tile * tile) / area, _ENOUGH) * min(wanted / shape, shape / wanted)
        if fit > best_fit:
            best, best_fit = (columns, rows), fit
    return best


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TiledImages:
    """How images become tiles of one size; may be used from many threads.

    Attributes:
        images: what becomes of the bytes of a tile; names its size.
        fewest: tiles, without the small picture of the whole.
        most: tiles, without the small picture of the whole; 1 where images are not cut.
        thumbnail: a small picture of the whole image follows its tiles, if there are several.
    """

    images: FixedImages
    fewest: int
    most: int
    thumbnail: bool
    _grids: list[Grid] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_grids", possible_grids(self.fewest, self.most))

    @property
    def tile(self) -> int:
        """Return the pixels on each side of a tile."""
        return self.images.tile[0]

    @property
    def largest(self) -> int:
        """Return the most tiles that an image may become."""
        return self.most + (self.thumbnail and self.most > 1)

    def count(self, picture: Picture) -> int:
        """Return the tiles of an image, told by its size alone."""
        columns, rows = choose_grid(picture.width, picture.height, self._grids, self.tile)
        return columns * rows + (self.thumbnail and columns * rows > 1)

    def prepare(self, picture: Picture, cache: MediaCache | None = None) -> PreparedPixels:
        """Cut an image, or take it from a cache.

        Args:
            picture: what it shows.
            cache: where it may be already, and is kept afterwards.

        Raises:
            InvalidRequest: it cannot be decoded.
        """

        def make() -> PreparedPixels:
            with picture.decoded() as image:
                return self.of_image(image)

        key = f"nemotron {picture.digest} {self.tile} {self.fewest} {self.most} {self.thumbnail}"
        return make() if cache is None else cache.get(key, make)

    def of_image(self, image: Image.Image) -> PreparedPixels:
        """Cut an image in RGB: rows from the top, each from the left, [tiles, 3, tile, tile] uint8."""
        import numpy as np
        from PIL.Image import Resampling

        size = self.tile
        columns, rows = choose_grid(image.width, image.height, self._grids, size)
        whole = np.asarray(image.resize((columns * size, rows * size), Resampling.BICUBIC))
        parts = whole.reshape(rows, size, columns, size, 3).swapaxes(1, 2).reshape(-1, size, size, 3)
        if self.thumbnail and len(parts) > 1:
            small = np.asarray(image.resize((size, size), Resampling.BICUBIC))
            parts = np.concatenate([parts, small[None]])
        pixels = np.ascontiguousarray(parts.transpose(0, 3, 1, 2))
        pixels.setflags(write=False)
        return PreparedPixels(pixels)
