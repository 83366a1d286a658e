"""Any mode of Pillow to RGB with 8 bits a channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cenote.errors import InvalidRequest

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["to_rgb", "upright"]

_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
_UNCLEAR = ("I", "F")


def to_rgb(image: Image.Image) -> Image.Image:
    """Return an image in RGB, what is transparent on white; the same object where it is that already.

    Raises:
        InvalidRequest: nothing says which numbers of it are black and white.
    """
    from PIL import Image

    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in _UNCLEAR:
        text = f"The image has whole numbers of 32 bits, or floating point numbers (mode {image.mode!r}), and nothing"
        raise InvalidRequest(f"{text} says which of them is white. Convert it to 8 or 16 bits.")
    if image.mode in _SIXTEEN_BITS:
        return _upper_bits(image)
    if image.has_transparency_data:
        # Pillow turns a grey image with premultiplied alpha into one without first.
        layer = image.convert("LA") if image.mode == "La" else image
        if layer.mode != "RGBA":  # or a copy would be made
            layer = layer.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, (255, 255, 255, 255)), layer)
    return image.convert("RGB")


def _upper_bits(image: Image.Image) -> Image.Image:
    """Return the upper 8 of 16 bits, as Pillow itself takes them of 16-bit colours; of grey it cuts at 255."""
    import numpy as np
    from PIL import Image

    values = np.asarray(image)
    grey = (values >> 8).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return Image.fromarray(grey).convert("RGB")


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """Turn and mirror an image as an orientation of EXIF says; the same object where that is 1.

    Source: EXIF 2.32, 4.6.4 A, orientation.
    """
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    turn = turns.get(orientation)
    return image if turn is None else image.transpose(turn)
