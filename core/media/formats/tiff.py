"""TIFF: a directory of entries that point anywhere in the file."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from cenote.media.formats.exif import ORIENTATION
from cenote.media.formats.head import BrokenImage, Head

__all__ = ["read_tiff"]

_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
#: Bytes of one value, by the number of its type. Source: TIFF 6.0, section 2.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES = 256, 257, 258, 259, 262, 277
_TILE_WIDTH, _TILE_HEIGHT, _SAMPLE_FORMAT = 322, 323, 339
#: Where strips and tiles begin, and how many bytes each has.
_PARTS = {273: 279, 324: 325}
#: Entries with one whole number: also the order of bits, rows of a strip, planes, predictor.
_SCALARS = frozenset(
    (_WIDTH, _HEIGHT, _COMPRESSION, _PHOTOMETRIC, 266, ORIENTATION, _SAMPLES, 278, 284, 317, _TILE_WIDTH, _TILE_HEIGHT)
)
#: The others that decoding needs: also options of fax, palette, inks, further samples, tables of JPEG, and how YCbCr is
#: stored.
_KEPT = _SCALARS.union((_BITS, 292, 293, 320, 332, 338, _SAMPLE_FORMAT, 347, 529, 530, 531, 532), *_PARTS.items())
#: None, fax (2, 3, 4), LZW, JPEG, Deflate (two numbers) and PackBits; not the older JPEG (6), or what few read.
_COMPRESSIONS = (1, 2, 3, 4, 5, 7, 8, 32946, 32773)
_MOST_PARTS = 400_000
_TILE = 2**22


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: int
    number: int
    raw: bytes

    @property
    def size(self) -> int:
        return _SIZES.get(self.kind, 1) * self.number


def read_tiff(data: bytes) -> Head:
    """Read the directory of the first page, and write one with what decoding needs and no other page.

    Raises:
        BrokenImage: the directory is broken, or the pixels are of a kind that is not read.
    """
    order = _ORDERS[data[:4]]
    entries = _directory(data, order)
    if any(entry.size > 4 and _offset(entry, order) + entry.size > len(data) for entry in entries.values()):
        raise BrokenImage("the TIFF is cut off")
    if sum(entry.size for entry in entries.values()) > len(data):
        raise BrokenImage("the entries of the TIFF overlap")
    numbers = {tag: _scalar(tag, entry, order) for tag, entry in entries.items() if tag in _SCALARS}
    if not {_WIDTH, _HEIGHT} <= numbers.keys():
        raise BrokenImage("the TIFF does not say its size")
    width, height = numbers[_WIDTH], numbers[_HEIGHT]
    _check_pixels(data, order, entries, numbers)
    for starts, lengths in _PARTS.items():
        _check_parts(data, _numbers(data, order, entries.get(starts)), _numbers(data, order, entries.get(lengths)))
    orientation = numbers.get(ORIENTATION, 1)
    kept = {tag: entry for tag, entry in entries.items() if tag != ORIENTATION}
    return Head("TIFF", width, height, _rewritten(data, order, kept), orientation if 1 <= orientation <= 8 else 1)


def _directory(data: bytes, order: str) -> dict[int, _Entry]:
    (start,) = struct.unpack_from(order + "L", data, 4)
    (count,) = struct.unpack_from(order + "H", data, start)
    found: dict[int, _Entry] = {}
    for place in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, number, raw = struct.unpack_from(order + "HHL4s", data, place)
        if tag in _KEPT:
            found.setdefault(tag, _Entry(kind, number, raw))
    return found


def _offset(entry: _Entry, order: str) -> int:
    return int(struct.unpack(order + "L", entry.raw)[0])


def _scalar(tag: int, entry: _Entry, order: str) -> int:
    if entry.number != 1 or entry.kind not in (3, 4):
        raise BrokenImage(f"the entry {tag} of the TIFF is no number")
    return int(struct.unpack_from(order + ("H" if entry.kind == 3 else "L"), entry.raw)[0])


def _numbers(data: bytes, order: str, entry: _Entry | None) -> tuple[int, ...]:
    """Return the values of an entry of whole numbers; none where there is no such entry."""
    if entry is None:
        return ()
    if entry.kind not in (3, 4) or entry.number > _MOST_PARTS:
        raise BrokenImage("the TIFF has too many parts, or they are not of a known kind")
    source, start = (data, _offset(entry, order)) if entry.size > 4 else (entry.raw, 0)
    return struct.unpack_from(f"{order}{entry.number}{'H' if entry.kind == 3 else 'L'}", source, start)


def _check_parts(data: bytes, starts: Sequence[int], lengths: Sequence[int]) -> None:
    """Check that strips or tiles lie in the file; where lengths are missing, decoders take what they need."""
    if any(start + length > len(data) for start, length in zip_longest(starts, lengths, fillvalue=0)):
        raise BrokenImage("the TIFF is cut off")


def _check_pixels(data: bytes, order: str, entries: Mapping[int, _Entry], numbers: Mapping[int, int]) -> None:
    """Check that pixels are of a kind that has one meaning, and in parts that are no larger than the image."""
    if numbers.get(_COMPRESSION, 1) not in _COMPRESSIONS:
        raise BrokenImage(f"TIFF with compression {numbers[_COMPRESSION]} is not read")
    bits = set(_numbers(data, order, entries.get(_BITS))) or {1}
    if not bits <= {1, 2, 4, 8, 16} or not {1}.issuperset(_numbers(data, order, entries.get(_SAMPLE_FORMAT))):
        raise BrokenImage("TIFF is read with whole numbers of 1, 2, 4, 8 or 16 bits")
    if bits == {16} and numbers.get(_PHOTOMETRIC) == 0:
        raise BrokenImage("TIFF with 16 bits of which 0 is white is not read")
    tile = numbers.get(_TILE_WIDTH, 0) * numbers.get(_TILE_HEIGHT, 0)
    if tile > max(_TILE, numbers[_WIDTH] * numbers[_HEIGHT]):
        raise BrokenImage("the TIFF has tiles that are too large")


def _rewritten(data: bytes, order: str, entries: Mapping[int, _Entry]) -> bytes:
    """Return the file with a directory of these entries at its end; what they point to stays where it is."""
    padding = b"\0" * (len(data) % 2)
    table = b"".join(
        struct.pack(order + "HHL4s", tag, entry.kind, entry.number, entry.raw) for tag, entry in sorted(entries.items())
    )
    head = data[:4] + struct.pack(order + "L", len(data) + len(padding))
    return b"".join((head, data[8:], padding, struct.pack(order + "H", len(entries)), table, b"\0\0\0\0"))
