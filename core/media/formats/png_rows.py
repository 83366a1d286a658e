"""Whether a PNG has all of its rows: decoders give an image for a shorter one, too, and make up the rest."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

__all__ = ["has_all_rows"]

#: Numbers of a pixel, by the kind of colour. Source: PNG, third edition, 11.2.1.
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
#: First column and row, and steps between columns and rows, of the passes of an interlaced image. Source: 8.1.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
#: Deflate makes at most so many bytes of one. Source: zlib's technical details, "maximum compression factor".
_MOST_OF_ONE = 1032
#: Bytes that are unpacked from, and to, at a time.
_PACKED, _UNPACKED = 2**14, 2**18


def has_all_rows(data: bytes) -> bool:
    """Tell whether the pixels of a PNG unpack to as many bytes as its size asks for. Little memory is taken.

    Unpacking ends with the last row, so that an image costs no more than it states. A size that the packed bytes
    cannot have is seen without unpacking.

    Args:
        data: a PNG, from its signature to its end, whose head is whole.
    """
    wanted = _wanted_bytes(data)
    if wanted is None:
        return False
    packed = list(_pixel_chunks(data))
    if wanted > _MOST_OF_ONE * sum(end - start for start, end in packed):
        return False
    unpack = zlib.decompressobj()
    try:
        for start, end in packed:
            for place in range(start, end, _PACKED):
                rest = data[place : min(place + _PACKED, end)]
                while rest and wanted > 0:
                    wanted -= len(unpack.decompress(rest, _UNPACKED))
                    rest = unpack.unconsumed_tail
                if wanted <= 0:
                    return True
        return wanted <= len(unpack.flush(_UNPACKED))
    except zlib.error:
        return False


def _wanted_bytes(data: bytes) -> int | None:
    """Return how many bytes all rows have, each with the one that names its filter; None where there is no such PNG."""
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">LLBBBBB", data, 16)
    if colour not in _SAMPLES:
        return None
    bits = depth * _SAMPLES[colour]
    if not interlaced:
        return int(height * (1 + (width * bits + 7) // 8))
    total = 0
    for column, row, across, down in _PASSES:
        columns, rows = -((column - width) // across), -((row - height) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + (columns * bits + 7) // 8)
    return total


def _pixel_chunks(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield [start, end) of what the pixels are packed in: the first chunks `IDAT` that follow each other."""
    place, found = 33, False
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">L4s", data, place)
        if kind == b"IDAT":
            found = True
            yield place + 8, min(place + 8 + length, len(data))
        elif found:
            return
        place += 12 + length
