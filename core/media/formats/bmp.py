"""BMP: a head of one of two lengths, in front of pixels."""

from __future__ import annotations

import struct

from cenote.media.formats.head import Head

__all__ = ["read_bmp"]

_OLDEST = 12


def read_bmp(data: bytes) -> Head:
    """Read the size of a BMP; a negative height says that rows begin at the top."""
    (length,) = struct.unpack_from("<L", data, 14)
    if length == _OLDEST:
        width, height = struct.unpack_from("<HH", data, 18)
    else:
        width, height = struct.unpack_from("<Ll", data, 18)
    return Head("BMP", width, abs(height), data)
