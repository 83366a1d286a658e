"""Where the pixels of a picture come from: encoded bytes, or an image that a program has."""

from __future__ import annotations

import hashlib
import importlib
import io
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from cenote.errors import InvalidRequest
from cenote.media.colours import to_rgb, upright
from cenote.media.formats import Head, has_all_rows

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["EncodedImage", "GivenImage", "ImageSource", "is_turned"]

_BROKEN = "The image is truncated or broken and cannot be decoded."
_ORIENTATION = 0x0112
#: Pillow's class of each format. `PIL.Image.open` would compare sizes with a limit of its own, for the whole process.
_DECODERS = {
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "WEBP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
}
#: Loading the same object of Pillow in two threads at once breaks it.
_LOCKS = tuple(threading.Lock() for _ in range(61))


class ImageSource(Protocol):
    """Where pixels come from."""

    @property
    def digest(self) -> str:
        """Hex digest of what there is."""

    def rgb(self) -> Image.Image:
        """Return the pixels, upright and in RGB; nobody may change them."""


def is_turned(orientation: int) -> bool:
    """Tell whether an orientation of EXIF exchanges width and height."""
    return 5 <= orientation <= 8


class EncodedImage:
    """Bytes of a file.

    Args:
        head: of the file.
        digest: of all of its bytes.
    """

    def __init__(self, head: Head, digest: str) -> None:
        self.digest = digest
        self._head = head

    def rgb(self) -> Image.Image:
        """Decode it.

        Raises:
            InvalidRequest: it is truncated or broken, or its pixels are not those that its head states, or more than
                Pillow decodes of this format.
        """
        from PIL import Image

        head = self._head
        module, name = _DECODERS[head.format]
        try:
            image: Image.Image = getattr(importlib.import_module(module), name)(io.BytesIO(head.data))
            if image.size == (head.width, head.height) and (head.format != "PNG" or has_all_rows(head.data)):
                if head.format == "TIFF":  # else Pillow compares the size with its limit before it makes such a place
                    image.im = Image.new(image.mode, image.size).im
                image.load()
                return upright(to_rgb(image), head.orientation)
        except (InvalidRequest, MemoryError):
            raise
        except Image.DecompressionBombError as exc:
            text = f"The image has {head.width} x {head.height} pixels; Pillow decodes no {head.format} of that size."
            raise InvalidRequest(text) from exc
        except Exception as exc:  # decoders raise many kinds
            raise InvalidRequest(_BROKEN) from exc
        raise InvalidRequest(_BROKEN)


class GivenImage:
    """An image of Pillow, which stays the caller's: it is loaded when it is asked for, and not changed.

    Attributes:
        orientation: 1 to 8, as EXIF counts them.
    """

    def __init__(self, image: Image.Image) -> None:
        self._image = image
        self._lock = _LOCKS[id(image) % len(_LOCKS)]
        with self._lock:
            if image.format == "TIFF":  # Pillow turns these itself while it loads them
                self._load()
            self.orientation = _orientation(image)

    @cached_property
    def digest(self) -> str:
        """Hex digest of the pixels, and of all that says how they look.

        Raises:
            InvalidRequest: it cannot be loaded.
        """
        image = self._image
        with self._lock:
            self._load()
            looks = (image.mode, image.size, self.orientation, image.info.get("transparency"), image.getpalette("RGBA"))
            return hashlib.sha256(repr(looks).encode() + image.tobytes()).hexdigest()

    def rgb(self) -> Image.Image:
        """Convert it.

        Raises:
            InvalidRequest: it cannot be loaded, or nothing says which of its numbers are black and white.
        """
        with self._lock:
            self._load()
        return upright(to_rgb(self._image), self.orientation)

    def _load(self) -> None:
        try:
            self._image.load()
        except MemoryError:
            raise
        except Exception as exc:  # decoders raise many kinds
            raise InvalidRequest(_BROKEN) from exc


def _orientation(image: Image.Image) -> int:
    try:
        found = image.getexif().get(_ORIENTATION)
    except Exception:  # EXIF that cannot be read says nothing
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1
