"""What the head of an encoded image says."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BrokenImage", "Head"]


class BrokenImage(ValueError):
    """A file that its format does not allow, or that asks for more work than an image needs; the text says what."""


@dataclass(frozen=True, slots=True)
class Head:
    """An encoded image, not decoded yet.

    Attributes:
        format: name of the format, as Pillow has it.
        width: in pixels, as stored.
        height: in pixels, as stored.
        data: what to decode: the first frame, without what says nothing of its pixels.
        orientation: 1 to 8, as EXIF counts them; 1 is upright.
    """

    format: str
    width: int
    height: int
    data: bytes
    orientation: int = 1
