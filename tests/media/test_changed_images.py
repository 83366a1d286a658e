"""Files of every format with bytes changed at random: an image comes out, or a refusal, and nothing else."""

from __future__ import annotations

import io
import random
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cenote.errors import InvalidRequest
from cenote.media import Picture

COLOURS = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 31, 4), dtype=np.uint8))
KINDS: list[tuple[str, str, dict[str, Any]]] = [
    ("PNG", "RGBA", {}),
    ("PNG", "P", {"transparency": 3}),
    ("JPEG", "RGB", {}),
    ("JPEG", "CMYK", {"progressive": True}),
    ("WEBP", "RGB", {}),
    ("WEBP", "RGBA", {"lossless": True}),
    ("GIF", "P", {"transparency": 3}),
    ("BMP", "RGB", {}),
    ("TIFF", "RGB", {}),
    ("TIFF", "L", {"compression": "packbits"}),
]
WORDS = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0\1\0\0", b"\0\0\xff\xff")


def changed(data: bytes, chance: random.Random) -> bytes:
    """Change, cut, double or remove some bytes, most of them near the head."""
    file = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        place = chance.randrange(min(len(file), chance.choice((len(file), 120))))
        match chance.randrange(6):
            case 0 | 1 | 2:
                file[place] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
            case 3:
                file[place : place + 4] = chance.choice(WORDS)
            case 4:
                file[place:place] = file[place : place + chance.randrange(40)]
            case _:
                del file[place : place + chance.randrange(1, 20)]
    return bytes(file)


@pytest.mark.parametrize(("kind", "mode", "options"), KINDS, ids=lambda value: str(value)[:12])
def test_whatever_is_changed_is_an_image_or_a_refusal(kind: str, mode: str, options: dict[str, Any]) -> None:
    out, chance = io.BytesIO(), random.Random(kind + mode)
    COLOURS.convert(mode).save(out, kind, **options)
    refused = 0
    for _ in range(400):
        try:
            picture = Picture.of_bytes(changed(out.getvalue(), chance), max_pixels=4_000_000)
            image = picture.rgb()
        except InvalidRequest:
            refused += 1
        else:
            assert (image.mode, image.size) == ("RGB", (picture.width, picture.height))
    assert 0 < refused < 400
