"""Images from anywhere, as RGB: measured before they are decoded, turned as EXIF says, and on white."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

__all__ = ["open_image"]

#: What is decoded; others run programs (EPS), hold no pixels of their own (WMF), or are rarely sent.
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP")
_FORMAT_NAMES = ", ".join(_FORMATS)
_WITH_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")


def open_image(data: bytes, *, max_pixels: int, max_side: int) -> Image.Image:
    """Return an image as 8-bit RGB; of an animation the first frame.

    It is turned as its EXIF data says, transparent pixels lie on white, 16-bit grey keeps its upper 8 bits, and what is
    larger than `max_side` is made smaller (Lanczos).

    Args:
        data: the file.
        max_pixels: refuse what claims more, before it is decoded.
        max_side: most pixels of a side of the result.

    Raises:
        ValueError: it is no image, of another format, damaged, cut off, or too large.
    """
    try:
        image = _decode(data, max_pixels)
    except _Refused as exc:
        raise ValueError(*exc.args) from exc
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise ValueError(f"it has more than the {max_pixels} pixels that are allowed") from exc
    except UnidentifiedImageError as exc:
        raise ValueError(f"it is no image that is read here ({_FORMAT_NAMES})") from exc
    except Exception as exc:  # decoders raise all kinds of things at damaged files
        raise ValueError("it is damaged or cut off, and cannot be decoded") from exc
    if max(image.size) > max_side:
        image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    return image


class _Refused(Exception):
    """What we say ourselves, to tell it from what decoders say."""


def _decode(data: bytes, max_pixels: int) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
        width, height = opened.size
        if width * height > max_pixels:
            raise _Refused(f"it has {width} x {height} pixels; {max_pixels} in all are allowed")
        opened.load()
        return _rgb(ImageOps.exif_transpose(opened))


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise _Refused("its pixels are 32-bit numbers, whose range is unknown; save it with 8 or 16 bits")
    if image.mode in _WITH_ALPHA or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")
