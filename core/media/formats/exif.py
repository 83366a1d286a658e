"""The one field of EXIF that changes how an image looks."""

from __future__ import annotations

import struct

__all__ = ["ORIENTATION", "read_orientation"]

#: Tag of the orientation. Source: EXIF 2.32, 4.6.4 A.
ORIENTATION = 0x0112
_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_SHORT = 3


def read_orientation(exif: bytes) -> int:
    """Return the orientation, 1 to 8; 1 (upright) where there is none, or none that can be read.

    Nothing else of EXIF is read: its entries may point to the same bytes thousands of times.

    Args:
        exif: a TIFF structure, with or without `Exif` in front.
    """
    blob = exif.removeprefix(b"Exif\0\0")
    order = _ORDERS.get(blob[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "L", blob, 4)
        (count,) = struct.unpack_from(order + "H", blob, start)
        for place in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, number, value = struct.unpack_from(order + "HHLH", blob, place)
            if tag == ORIENTATION:
                return value if (kind, number) == (_SHORT, 1) and 1 <= value <= 8 else 1
    except struct.error:  # it ends too early
        return 1
    return 1
