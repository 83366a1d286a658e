"""JPEG: segments in front of scans."""

from __future__ import annotations

import re
import struct

from cenote.media.formats.exif import read_orientation
from cenote.media.formats.head import BrokenImage, Head

__all__ = ["read_jpeg"]

#: Start of a frame: its size, in the coding that the marker names. Source: ITU-T T.81, table B.1.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_APP0, _EXIF, _ADOBE, _LAST_APP, _COMMENT = 0xE0, 0xE1, 0xEE, 0xEF, 0xFE
_SCAN, _END = 0xDA, 0xD9
#: Markers without a segment: restarts, the start of an image, and one that says nothing.
_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))
#: What ends the coded data of a scan: a marker that is no restart; 0xFF00 is the byte 0xFF.
_NEXT = re.compile(rb"\xff+[\x01-\xcf\xd8-\xfe]", re.DOTALL)
#: Each scan costs a pass over all pixels, however short it is. Encoders write about ten; libtiff also allows 100.
_MOST_SCANS = 100
#: Pixels of all scans together, which keeps what an image costs near 2 seconds: twelve scans of 178956970 pixels.
_MOST_PASSED = 2**31
_MOST = 100_000


def read_jpeg(data: bytes) -> Head:
    """Read the segments of a JPEG, as far as its end; what follows it, such as a film, is left out.

    Kept are the segments that decoding needs, among them JFIF's and Adobe's, which tell how colours are stored.

    Raises:
        BrokenImage: segments are cut off, no size or no scan is found, or there are too many scans.
    """
    parts, frame, orientation, place = [data[:2]], None, 1, 2
    for _ in range(_MOST):
        marker, place = _marker(data, place)
        if marker in _ALONE:
            place += 2
            continue
        end = _end(data, place)
        if marker == _SCAN:
            break
        segment = data[place:end]
        if marker == _EXIF and segment.startswith(b"Exif\0\0", 4) and orientation == 1:
            orientation = read_orientation(segment[4:])
        if marker in _FRAMES:
            frame = frame or segment
        elif marker in (_APP0, _ADOBE) or not (_APP0 <= marker <= _LAST_APP or marker == _COMMENT):
            parts.append(segment)
        place = end
    else:
        raise BrokenImage(f"the JPEG has more than {_MOST} segments")
    if frame is None or len(frame) < 9:
        raise BrokenImage("the JPEG does not say its size before its scans")
    height, width = struct.unpack_from(">HH", frame, 5)
    end, scans = _end_of_scans(data, place)
    if scans > 1 and scans * width * height > _MOST_PASSED:
        raise BrokenImage(f"the JPEG has {scans} scans of {width} x {height} pixels, which is too much work")
    return Head("JPEG", width, height, b"".join((*parts, frame, data[place:end])), orientation)


def _marker(data: bytes, place: int) -> tuple[int, int]:
    """Return the next marker and where its two bytes begin."""
    found = _NEXT.match(data, place)
    if found is None or data[found.end() - 1] == _END:
        raise BrokenImage("the JPEG has no scan")
    return data[found.end() - 1], found.end() - 2


def _end(data: bytes, place: int) -> int:
    """Return where a segment ends."""
    length = int.from_bytes(data[place + 2 : place + 4], "big")
    if length < 2 or place + 2 + length > len(data):
        raise BrokenImage("the JPEG is cut off")
    return place + 2 + length


def _end_of_scans(data: bytes, place: int) -> tuple[int, int]:
    """Return where the image ends, after its end marker or with the data where that is missing, and how many scans."""
    scans = 0
    for _ in range(_MOST):
        found = _NEXT.search(data, place)
        if found is None:
            return len(data), scans
        marker = data[found.end() - 1]
        if marker == _END:
            return found.end(), scans
        scans += marker == _SCAN
        if scans > _MOST_SCANS:
            raise BrokenImage(f"the JPEG has more than {_MOST_SCANS} scans")
        place = found.end() if marker in _ALONE else _end(data, found.end() - 2)
    raise BrokenImage(f"the JPEG has more than {_MOST} segments")
