"""Images from anywhere, as RGB: measured before they are decoded, on white, made smaller, and turned as EXIF says."""

from __future__ import annotations

import io
import math
import threading

import numpy as np
from PIL import Image, UnidentifiedImageError

__all__ = ["ImageDecoder", "open_image"]

#: What is decoded; others run programs (EPS), hold no pixels of their own (WMF), or are rarely sent.
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP")
_FORMAT_NAMES = ", ".join(_FORMATS)
_WITH_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")
#: Modes whose bands are amounts of light or ink, which can be made smaller as they are.
_SMOOTH = ("RGB", "L", "CMYK", "YCbCr")
_ORIENTATION = 0x0112
#: How an image is turned for each value of its EXIF orientation (Exif 2.32, 4.6.4).
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
#: How many times as large as its result an image is, at least, where it is made smaller roughly before it is finely.
_GAP = 2.0


class ImageDecoder:
    """Decodes a few images at a time, so that their pixels do not fill the memory.

    Args:
        max_pixels: as `open_image` has it.
        max_side: the same.
        at_once: images.
    """

    def __init__(self, *, max_pixels: int, max_side: int, at_once: int) -> None:
        self._max_pixels = max_pixels
        self._max_side = max_side
        self._turns = threading.Semaphore(at_once)

    def open(self, data: bytes) -> Image.Image:
        """Return an image as 8-bit RGB.

        Raises:
            ValueError: as `open_image` has it.
        """
        with self._turns:
            return open_image(data, max_pixels=self._max_pixels, max_side=self._max_side)


def open_image(data: bytes, *, max_pixels: int, max_side: int) -> Image.Image:
    """Return an image as 8-bit RGB; of an animation the first frame.

    It is turned as its EXIF data says, transparent pixels lie on white, 16-bit grey keeps its upper 8 bits, and what is
    larger than `max_side` is made smaller (Lanczos). JPEG files are decoded at half, a quarter or an eighth of their
    size where that is still twice what is needed.

    Args:
        data: the file.
        max_pixels: refuse what claims more, before it is decoded.
        max_side: most pixels of a side of the result.

    Raises:
        ValueError: it is no image, of another format, damaged, cut off, or too large.
    """
    try:
        return _decode(data, max_pixels, max_side)
    except _Refused as exc:
        raise ValueError(*exc.args) from exc
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise ValueError(f"it has more than the {max_pixels} pixels that are allowed") from exc
    except UnidentifiedImageError as exc:
        raise ValueError(f"it is no image that is read here ({_FORMAT_NAMES})") from exc
    except Exception as exc:  # decoders raise all kinds of things at damaged files
        raise ValueError("it is damaged or cut off, and cannot be decoded") from exc


class _Refused(Exception):
    """What we say ourselves, to tell it from what decoders say."""


def _decode(data: bytes, max_pixels: int, max_side: int) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
        width, height = opened.size
        if width * height > max_pixels:
            raise _Refused(f"it has {width} x {height} pixels; {max_pixels} in all are allowed")
        opened.draft(None, _within(opened.size, math.ceil(_GAP * max_side)))
        opened.load()
        turn = _TURNS.get(opened.getexif().get(_ORIENTATION, 1))  # once it is loaded: PNG may tell at its end
        image = _rgb(opened, max_side)
    return image if turn is None else image.transpose(turn)


def _rgb(image: Image.Image, max_side: int) -> Image.Image:
    """Return an image on white and no larger than allowed; each step holds as few large copies as it can."""
    if image.mode.startswith("I;16"):
        grey = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        return _smaller(grey, max_side).convert("RGB")
    if image.mode in ("I", "F"):
        raise _Refused("its pixels are 32-bit numbers, whose range is unknown; save it with 8 or 16 bits")
    if image.mode in _WITH_ALPHA or "transparency" in image.info:
        layer = image if image.mode == "RGBA" else image.convert("RGBA")
        white = Image.new("RGB", layer.size, "white")
        white.paste(layer, mask=layer)
        return _smaller(white, max_side)
    if image.mode in _SMOOTH:
        return _smaller(image, max_side).convert("RGB")
    return _smaller(image.convert("L" if image.mode == "1" else "RGB"), max_side).convert("RGB")


def _smaller(image: Image.Image, max_side: int) -> Image.Image:
    size = _within(image.size, max_side)
    if size == image.size:
        return image
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=_GAP)


def _within(size: tuple[int, int], max_side: int) -> tuple[int, int]:
    """Return the largest size of the same shape whose sides are no longer than allowed."""
    width, height = size
    scale = min(1.0, max_side / max(1, *size))
    return max(1, round(width * scale)), max(1, round(height * scale))
