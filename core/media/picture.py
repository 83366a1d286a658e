"""An image of a prompt: what it shows, decoded when it is asked for."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from cenote.errors import InvalidRequest

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Picture"]

#: Formats that are decoded. Pillow knows more, some of which start programs.
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
#: Orientations of EXIF that exchange width and height.
_TURNED = (5, 6, 7, 8)
_ORIENTATION = 0x0112


class Picture:
    """An image whose pixels are decoded when they are asked for, and not kept.

    Attributes:
        width: in pixels, turned as EXIF says.
        height: in pixels, turned as EXIF says.
        digest: of the content, size and mode: equal pictures have equal ones.
    """

    __slots__ = ("_open", "digest", "height", "width")

    def __init__(self, image: Image.Image, digest: str, reopen: Callable[[], Image.Image]) -> None:
        turned = image.getexif().get(_ORIENTATION) in _TURNED
        self.width, self.height = image.size[::-1] if turned else image.size
        self.digest = digest
        self._open = reopen

    @classmethod
    def of_bytes(cls, data: bytes, *, max_pixels: int) -> Self:
        """Read the head of an encoded image.

        Raises:
            InvalidRequest: it is no image of a known format, or has more pixels than allowed.
        """
        image = _open(data)
        if image.width * image.height > max_pixels:
            text = f"The image has {image.width} x {image.height} pixels; at most {max_pixels} are decoded."
            raise InvalidRequest(f"{text} Send a smaller one.")
        return cls(image, hashlib.sha256(data).hexdigest(), lambda: _open(data))

    @classmethod
    def of_image(cls, image: Image.Image) -> Self:
        """Take an image of Pillow, which nobody may change afterwards."""
        head = f"{image.mode} {image.size} {image.getexif().get(_ORIENTATION)}".encode()
        return cls(image, hashlib.sha256(head + image.tobytes()).hexdigest(), lambda: image)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Picture) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def rgb(self) -> Image.Image:
        """Return the image in RGB, turned as EXIF says, what is transparent on white; the first one of several.

        Raises:
            InvalidRequest: it is truncated or broken.
        """
        from PIL import Image, ImageOps

        try:
            image = ImageOps.exif_transpose(self._open())
            if image.mode == "RGB":
                return image
            if image.has_transparency_data:
                layer = image.convert("RGBA")
                white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
                image = Image.alpha_composite(white, layer)
            return image.convert("RGB")
        except Exception as exc:  # decoders raise many kinds
            raise InvalidRequest("The image is truncated or broken and cannot be decoded.") from exc


def _open(data: bytes) -> Image.Image:
    from PIL import Image  # 30 ms, which prompts without images need not pay

    try:
        return Image.open(io.BytesIO(data), formats=_FORMATS)
    except Exception as exc:
        known = ", ".join(_FORMATS)
        raise InvalidRequest(f"The medium is no image that can be read; known formats: {known}.") from exc
