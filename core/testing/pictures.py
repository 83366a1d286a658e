"""Pictures made of numbers: the same pixels everywhere, no two alike, and nothing to download."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["sample_picture", "sample_pictures"]

#: Width and height of pictures of unlike shapes; some are no multiple of any patch.
_SIZES = ((64, 64), (150, 70), (61, 129), (96, 100))
#: Large odd numbers, which spread the places of blocks over all bits.
_MIX = (73856093, 19349663, 83492791, 2654435761)


def sample_picture(width: int, height: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    """Return a page of coloured blocks on a slope from dark to light.

    Args:
        width: in pixels.
        height: in pixels.
        mode: of Pillow; with `RGBA`, some blocks are transparent, all others opaque.
        seed: which page.
    """
    from PIL import Image

    channels = np.stack([_channel(width, height, seed, number) for number in range(3)], axis=-1)
    image = Image.fromarray(channels)
    if mode == "RGBA":
        alpha = np.where(_blocks(width, height, seed, 3) < 96, 0, 255).astype(np.uint8)
        image.putalpha(Image.fromarray(alpha))
        return image
    return image if mode == "RGB" else image.convert(mode)


def sample_pictures() -> list[Image.Image]:
    """Return pictures of unlike shapes, the smallest first."""
    return [sample_picture(*size, seed=seed) for seed, size in enumerate(_SIZES)]


def _channel(width: int, height: int, seed: int, number: int) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    slope = (rows * 255 // max(height - 1, 1) + columns * 255 // max(width - 1, 1)) // 2
    values = (3 * _blocks(width, height, seed, number) + slope) // 4
    return np.asarray(values, dtype=np.uint8)


def _blocks(width: int, height: int, seed: int, number: int) -> np.ndarray:
    """Return one of 256 numbers for each block of 5 by 7 pixels."""
    rows, columns = np.mgrid[:height, :width]
    mixed = (columns // 5 + 1) * _MIX[0] ^ (rows // 7 + 1) * _MIX[1] ^ (seed + 1) * _MIX[2] ^ (number + 1) * _MIX[3]
    return np.asarray((mixed * _MIX[1] >> 16) & 255)
