"""GIF: a screen, and frames on it, of which the first is shown."""

from __future__ import annotations

import struct

from cenote.media.formats.head import BrokenImage, Head

__all__ = ["read_gif"]

_EXTENSION, _FRAME, _END = 0x21, 0x2C, 0x3B
#: The extension that says which colour is transparent.
_CONTROL = 0xF9
_MOST = 100_000


def read_gif(data: bytes) -> Head:
    """Read the screen and the first frame of a GIF; the screen is enlarged to hold the frame.

    Source: GIF89a, sections 17 to 26.

    Raises:
        BrokenImage: there is no frame, or too much in front of it.
    """
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    place = 13 + _palette(flags)
    screen, control = data[10:place], b""
    for _ in range(_MOST):
        kind = data[place : place + 1]
        if kind in (b"", bytes([_END])):
            raise BrokenImage("the GIF has no frame")
        if kind[0] == _FRAME:
            break
        if kind[0] == _EXTENSION:
            end = _after_blocks(data, place + 2)
            if data[place + 1 : place + 3] == bytes([_CONTROL, 4]) and end == place + 8:
                control = data[place:end]
            place = end
        else:
            place += 1  # what Pillow and browsers skip
    else:
        raise BrokenImage("the GIF has too much in front of its first frame")
    left, top, frame_width, frame_height = struct.unpack_from("<HHHH", data, place + 1)
    width, height = max(width, left + frame_width), max(height, top + frame_height)
    if max(width, height) > 0xFFFF:
        raise BrokenImage("the first frame of the GIF lies outside of every screen")
    head = data[:6] + struct.pack("<HH", width, height) + screen
    return Head("GIF", width, height, head + control + data[place:])


def _palette(flags: int) -> int:
    """Return the bytes of the colours that follow."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(data: bytes, place: int) -> int:
    """Return where a chain of blocks ends, each of which begins with its length; the last one is empty."""
    for _ in range(_MOST):
        length = data[place] if place < len(data) else 0
        place += 1 + length
        if not length:
            return place
    raise BrokenImage("the GIF has too much in front of its first frame")
