"""A map of numbers painted over a picture, with Pillow and numpy alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cenote.errors import InvalidRequest

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

__all__ = ["heat_colours", "paint_heat"]

#: Lightness, chroma and hue (in degrees) of the weakest and the strongest colour: light yellow, dark violet.
_WEAKEST, _STRONGEST = (0.95, 0.12, 105.0), (0.36, 0.20, -60.0)
#: From OKLab to the cube roots of cone responses, and from cone responses to linear sRGB.
_TO_CONES = (
    (1.0, 0.3963377774, 0.2158037573),
    (1.0, -0.1055613458, -0.0638541728),
    (1.0, -0.0894841775, -1.2914855480),
)
_TO_RGB = (
    (4.0767416621, -3.3077115913, 0.2309699292),
    (-1.2684380046, 2.6097574011, -0.3413193965),
    (-0.0041960863, -0.7034186147, 1.7076147010),
)


def heat_colours() -> np.ndarray[Any, Any]:
    """Return [256, 3] uint8 sRGB: from light yellow through red to dark violet, darker with every step.

    Lightness, chroma and hue go in equal steps through OKLCh, so that equal differences look alike, and the order
    survives in grey. On paper, which is white, the strong colours stand out.

    Source: Ottosson 2020, "A perceptual color space for image processing" (bottosson.github.io/posts/oklab).
    """
    import numpy as np

    lightness, chroma, hue = np.linspace(_WEAKEST, _STRONGEST, 256).T
    angle = np.deg2rad(hue)
    lab = np.stack([lightness, chroma * np.cos(angle), chroma * np.sin(angle)])
    linear = np.clip(np.array(_TO_RGB) @ (np.array(_TO_CONES) @ lab) ** 3, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    colours: np.ndarray[Any, Any] = np.rint(255 * encoded.T).astype(np.uint8)
    return colours


def paint_heat(page: Image.Image, values: Any, *, opacity: float = 0.6, lowest: float | None = None) -> Image.Image:
    """Return a picture with a map over it: the higher a value, the darker and the more opaque its colour.

    The map is stretched over the whole picture, bicubically. Where it has its lowest value, the picture is as it was.

    Args:
        page: the picture.
        values: [rows, columns] finite numbers of numpy.
        opacity: of the highest value, from 0 to 1.
        lowest: what is not painted, and all below; None is the lowest of the values.

    Returns:
        An RGB image of the picture's size.

    Raises:
        InvalidRequest: the map is empty or not finite, or the opacity is out of range.
    """
    import numpy as np
    from PIL import Image

    if not 0 <= opacity <= 1:
        raise InvalidRequest(f"opacity must be from 0 to 1, not {opacity}.", param="opacity")
    numbers = np.asarray(values, np.float32)
    if numbers.ndim != 2 or not numbers.size or not np.isfinite(numbers).all():
        text = f"A map is [rows, columns] of finite numbers; this one has the shape {list(numbers.shape)}, or NaN."
        raise InvalidRequest(text, param="values")
    low = float(numbers.min()) if lowest is None else lowest
    high = float(numbers.max())
    scaled = (numbers - low) / (high - low) if high > low else np.zeros_like(numbers)
    small = Image.fromarray(np.rint(255 * np.clip(scaled, 0, 1)).astype(np.uint8))
    heat = small.resize(page.size, Image.Resampling.BICUBIC)
    mask = heat.point([round(opacity * level) for level in range(256)])
    heat.putpalette(heat_colours().tobytes())
    return Image.composite(heat.convert("RGB"), page.convert("RGB"), mask)
