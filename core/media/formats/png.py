"""PNG: a list of chunks, of which five kinds hold the first image."""

from __future__ import annotations

import struct
import zlib

from cenote.media.formats.exif import read_orientation
from cenote.media.formats.head import BrokenImage, Head

__all__ = ["read_png"]

#: Source: PNG, third edition, 11.2 and 11.3.1.1. Of APNG only the default image is left, which is its first frame, too.
_KEPT = (b"PLTE", b"tRNS", b"IDAT")
_END = b"\0\0\0\0IEND\xaeB`\x82"
#: RGB of 16 bits, of which Pillow keeps the upper 8.
_WIDE = b"\x10\x02"
#: How ImageMagick kept EXIF before PNG had a place for it.
_PROFILE = b"Raw profile type exif\0"
_PROFILE_BYTES = 2**17
_MOST = 100_000


def read_png(data: bytes) -> Head:
    """Read the chunks of a PNG.

    Raises:
        BrokenImage: it does not begin with its size, or has no end of chunks.
    """
    if data[8:16] != b"\0\0\0\rIHDR" or len(data) < 33:
        raise BrokenImage("the PNG does not begin with its size")
    width, height = struct.unpack_from(">LL", data, 16)
    parts, orientation, place = [data[:33]], 1, 33
    for _ in range(_MOST):
        if place + 8 > len(data):
            break
        length, kind = struct.unpack_from(">L4s", data, place)
        end = place + 12 + length
        if kind == b"IEND":
            parts.append(_END)
            break
        if kind in _KEPT:
            parts.append(_upper_bits(data[place:end]) if data[24:26] == _WIDE and kind == b"tRNS" else data[place:end])
        elif kind == b"eXIf":
            orientation = read_orientation(data[place + 8 : end - 4])
        elif kind in (b"tEXt", b"zTXt") and data.startswith(_PROFILE, place + 8):
            orientation = read_orientation(_profile(data[place + 8 + len(_PROFILE) : end - 4], kind == b"zTXt"))
        place = end
    else:
        raise BrokenImage(f"the PNG has more than {_MOST} chunks")
    return Head("PNG", width, height, b"".join(parts), orientation)


def _upper_bits(chunk: bytes) -> bytes:
    """Return the transparent colour as Pillow compares it, with the upper 8 bits of each channel."""
    named = b"tRNS" + b"".join(b"\0" + chunk[at : at + 1] for at in (8, 10, 12))
    return chunk[:4] + named + struct.pack(">L", zlib.crc32(named))


def _profile(text: bytes, is_packed: bool) -> bytes:
    """Return what a text of ImageMagick holds in hexadecimal digits behind three lines; nothing where it is broken."""
    try:
        text = zlib.decompressobj().decompress(text[1:], _PROFILE_BYTES) if is_packed else text[:_PROFILE_BYTES]
        digits = b"".join(text.split(b"\n")[3:])
        return bytes.fromhex(digits[: len(digits) // 2 * 2].decode("ascii"))
    except (zlib.error, ValueError):
        return b""
