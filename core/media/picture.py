"""An image of a prompt: what it shows, decoded when it is asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from cenote.errors import InvalidRequest, WrongType
from cenote.media.budget import PixelBudget
from cenote.media.formats import read_head
from cenote.media.sources import EncodedImage, GivenImage, ImageSource, is_turned

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Picture"]

#: Pixels that this process decodes at the same time; decoding takes up to 24 bytes for each (WEBP with alpha).
_DECODING = PixelBudget(2**26)
#: Images of at most so many pixels, as most pages are, have room of their own: they never wait for large ones.
_SMALL, _DECODING_SMALL = 2**22, PixelBudget(2**24)
#: Longest side, which is also the longest of JPEG and GIF: rows of any length cost memory that areas do not show.
_LONGEST = 65_535


class Picture:
    """An image whose pixels are decoded when they are asked for, and not kept.

    Attributes:
        width: in pixels, turned as EXIF says.
        height: in pixels, turned as EXIF says.
    """

    __slots__ = ("_source", "height", "width")

    def __init__(self, source: ImageSource, size: tuple[int, int], orientation: int, max_pixels: int | None) -> None:
        """Use `of_bytes`, `of_image` or `of_array`."""
        self.width, self.height = size[::-1] if is_turned(orientation) else size
        self._source = source
        self.check_size(max_pixels)

    @classmethod
    def of_bytes(cls, data: bytes, *, max_pixels: int | None = None) -> Self:
        """Read the head of an encoded image: PNG, JPEG, WEBP, GIF, BMP or TIFF.

        Raises:
            InvalidRequest: it is no image of a known format, or has more pixels than allowed.
        """
        head = read_head(data)
        source = EncodedImage(head, hashlib.sha256(data).hexdigest())
        return cls(source, (head.width, head.height), head.orientation, max_pixels)

    @classmethod
    def of_image(cls, image: Image.Image, *, max_pixels: int | None = None) -> Self:
        """Take an image of Pillow, which nobody may change or close afterwards; of several frames the one it is at.

        Raises:
            InvalidRequest: it has no pixels, or more than allowed.
        """
        source = GivenImage(image)
        return cls(source, image.size, source.orientation, max_pixels)

    @classmethod
    def of_array(cls, array: Any, *, max_pixels: int | None = None) -> Self:
        """Take an array of numpy: uint8, [height, width], [height, width, 3] (RGB) or [height, width, 4] (RGBA).

        Raises:
            WrongType: it has another type of numbers, or another shape.
            InvalidRequest: it has no pixels, or more than allowed.
        """
        import numpy as np
        from PIL import Image

        is_grey = array.ndim == 2
        if array.dtype != np.uint8 or not (is_grey or (array.ndim == 3 and array.shape[2] in (3, 4))):
            wanted = "uint8 of shape [height, width], [height, width, 3] or [height, width, 4]"
            raise WrongType(f"An image as an array is {wanted}, not {array.dtype} of shape {list(array.shape)}.")
        is_empty = not array.size  # Pillow makes no such image of an array
        image = Image.new("L", array.shape[1::-1]) if is_empty else Image.fromarray(np.array(array, order="C"))
        return cls.of_image(image, max_pixels=max_pixels)

    @property
    def digest(self) -> str:
        """Hex digest of the content: pictures with the same one look the same.

        Raises:
            InvalidRequest: the image cannot be loaded, where it was not of bytes.
        """
        return self._source.digest

    def check_size(self, max_pixels: int | None) -> None:
        """Check how many pixels there are.

        Args:
            max_pixels: most that are allowed; None is any number.

        Raises:
            InvalidRequest: there are none, more than allowed, or more than 65535 in a row or column.
        """
        size = f"The image has {self.width} x {self.height} pixels"
        if not self.width or not self.height:
            raise InvalidRequest(f"{size}, so there is nothing to see.")
        if max(self.width, self.height) > _LONGEST:
            raise InvalidRequest(f"{size}; at most {_LONGEST} in a row or column are decoded. Send a smaller one.")
        if max_pixels is not None and self.width * self.height > max_pixels:
            raise InvalidRequest(f"{size}; at most {max_pixels} are decoded. Send a smaller one.")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Picture) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    @contextmanager
    def decoded(self) -> Iterator[Image.Image]:
        """Give the image for a block, as `rgb` does, and let the process decode little else meanwhile.

        Use this where much may be decoded in several threads, and make what is needed of the image inside. The block
        must not decode another picture.

        Raises:
            InvalidRequest: as `rgb`.
        """
        pixels = self.width * self.height
        with (_DECODING if pixels > _SMALL else _DECODING_SMALL).hold(pixels):
            yield self._source.rgb()

    def rgb(self) -> Image.Image:
        """Return the image in RGB, turned as EXIF says, what is transparent on white; nobody may change it.

        Raises:
            InvalidRequest: it is truncated or broken, or cannot be converted.
        """
        with self.decoded() as image:
            return image
