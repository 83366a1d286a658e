"""Which format a file has, by how it begins."""

from __future__ import annotations

import struct
from collections.abc import Callable

from cenote.errors import InvalidRequest
from cenote.media.formats.bmp import read_bmp
from cenote.media.formats.gif import read_gif
from cenote.media.formats.head import BrokenImage, Head
from cenote.media.formats.jpeg import read_jpeg
from cenote.media.formats.png import read_png
from cenote.media.formats.tiff import read_tiff
from cenote.media.formats.webp import read_webp

__all__ = ["FORMATS", "read_head"]

#: Formats that are read. Pillow knows more, some of which start programs or decoders with a bad record.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
_READERS: tuple[tuple[bytes, Callable[[bytes], Head]], ...] = (
    (b"\x89PNG\r\n\x1a\n", read_png),
    (b"\xff\xd8\xff", read_jpeg),
    (b"GIF87a", read_gif),
    (b"GIF89a", read_gif),
    (b"BM", read_bmp),
    (b"II*\0", read_tiff),
    (b"MM\0*", read_tiff),
)


def read_head(data: bytes) -> Head:
    """Read the head of an encoded image, in time and memory that depend on the bytes given and not on what they claim.

    Raises:
        InvalidRequest: it is no image of a known format, or its head is broken.
    """
    is_webp = data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    found = (reader for start, reader in _READERS if data.startswith(start))
    reader = read_webp if is_webp else next(found, None)
    if reader is None:
        known = ", ".join(FORMATS)
        raise InvalidRequest(f"The medium is no image that can be read; known formats: {known}.")
    try:
        return reader(data)
    except BrokenImage as exc:
        raise InvalidRequest(f"The image cannot be read: {exc}.") from exc
    except (struct.error, IndexError) as exc:  # it ends within its head
        raise InvalidRequest("The image is truncated or broken and cannot be decoded.") from exc
