"""Images of a prompt as tiles of one size: how many tokens they take, told before they are decoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from cenote.adapters.qwen_vl import Seen
from cenote.adapters.towers import FixedImages, PreparedPixels
from cenote.errors import InvalidRequest
from cenote.media import MediaCache, Picture
from cenote.types import MediaItem

__all__ = ["Page", "PageReader", "whole"]


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """An image that is ready for the model.

    Attributes:
        pixels: its tiles.
        grid: tiles, and the rows and columns of tokens of each.
    """

    #: Whose placeholder stands for it.
    kind: ClassVar[str] = "image"

    pixels: PreparedPixels
    grid: tuple[int, int, int]

    @property
    def nbytes(self) -> int:
        """Return the bytes of memory that it holds."""
        return self.pixels.nbytes


def whole(picture: Picture) -> tuple[str, ...]:
    """Return what is written in front of the only tile of an image that is never cut."""
    return ("",)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageReader:
    """Measures and prepares images for one model; may be used from many threads.

    Attributes:
        images: its image processor.
        cache: of prepared images.
        tile: rows and columns of tokens of a tile.
        marks: returns what is written in front of each tile of an image, without decoding it.
    """

    images: FixedImages
    cache: MediaCache
    tile: tuple[int, int]
    marks: Callable[[Picture], tuple[str, ...]] = whole

    def measure(self, media: Sequence[MediaItem]) -> list[Seen]:
        """Return the images of a prompt, not decoded yet.

        Raises:
            InvalidRequest: a medium is no image, or one of a shape that cannot be resized.
        """
        return [self._measure(item) for item in media]

    def _measure(self, item: MediaItem) -> Seen:
        if item.kind == "image_embeds":
            text = "This model takes no embeddings of images. Send the images."
            raise InvalidRequest(text, param="image_embeds")
        if item.kind != "image":
            raise InvalidRequest(f"This model reads no {item.kind}s. Send images.", param=f"{item.kind}_url")
        picture: Picture = item.value
        self.images.check(picture)
        marks = self.marks(picture)
        rows, columns = self.tile
        return Seen(
            kind="image",
            tokens=(rows * columns,) * len(marks),
            prepare=lambda: self._prepare(picture, len(marks)),
            moments=marks,
        )

    def _prepare(self, picture: Picture, tiles: int) -> Page:
        pixels = self.images.prepare(picture, self.cache)
        if len(pixels.pixels) != tiles:
            raise RuntimeError(f"an image became {len(pixels.pixels)} tiles; {tiles} were planned")
        return Page(pixels, (tiles, *self.tile))
