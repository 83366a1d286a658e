"""WEBP: RIFF chunks, the first of which says the size."""

from __future__ import annotations

import struct

from cenote.media.formats.exif import read_orientation
from cenote.media.formats.head import BrokenImage, Head

__all__ = ["read_webp"]

_MOST = 100_000


def read_webp(data: bytes) -> Head:
    """Read the size and the orientation of a WEBP. Source: RFC 9649, section 2, and RFC 6386, 9.1.

    Raises:
        BrokenImage: the first chunk is of another kind.
    """
    kind = data[12:16]
    if len(data) < 30:
        raise BrokenImage("the WEBP is cut off")
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
        return Head("WEBP", width, height, data, _orientation(data))
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = (size & 0x3FFF for size in struct.unpack_from("<HH", data, 26))
        return Head("WEBP", width, height, data)
    if kind == b"VP8L" and data[20] == 0x2F:
        (bits,) = struct.unpack_from("<L", data, 21)
        return Head("WEBP", 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF), data)
    raise BrokenImage("the WEBP does not begin with its size")


def _orientation(data: bytes) -> int:
    place = 12
    for _ in range(_MOST):
        if place + 8 > len(data):
            break
        kind, length = struct.unpack_from("<4sL", data, place)
        if kind == b"EXIF":
            return read_orientation(data[place + 8 : place + 8 + length])
        place += 8 + length + length % 2
    return 1
