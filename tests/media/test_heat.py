"""Maps over pictures: the colours, where they lie, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from cenote.errors import InvalidRequest
from cenote.media import heat_colours, paint_heat

PAGE = Image.new("RGB", (90, 60), "white")


def luminance(colours: Any) -> Any:
    """Return relative luminance (IEC 61966-2-1) of sRGB bytes."""
    value = colours / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_colours_get_darker_with_every_step_so_that_their_order_survives_in_grey() -> None:
    colours = heat_colours()
    assert (colours.shape, colours.dtype) == ((256, 3), np.uint8)
    light = luminance(colours)
    assert np.diff(light).max() < 1e-3  # bytes are rounded
    assert (np.diff(light[::8]) < 0).all()
    assert light[0] > 0.8
    assert light[-1] < 0.05


def test_the_highest_value_has_the_strongest_colour_and_the_lowest_none() -> None:
    values = np.zeros((4, 6), np.float32)
    values[1, 4] = 2
    found = np.asarray(paint_heat(PAGE, values, opacity=1.0))
    assert found.shape == (60, 90, 3)
    assert (
        np.abs(found[22, 67].astype(int) - heat_colours()[-1]).max() <= 40
    )  # the middle of the patch, but for rounding
    light = luminance(found)
    assert np.unravel_index(light.argmin(), light.shape) in [(y, x) for y in range(15, 30) for x in range(60, 75)]
    assert (found[:, :40] == 255).all()


def test_opacity_is_that_of_the_highest_value() -> None:
    values = np.float32([[0, 1], [0, 1]])
    assert paint_heat(PAGE, values, opacity=0).tobytes() == PAGE.tobytes()
    right = np.asarray(paint_heat(PAGE, values, opacity=0.5))[30, -1]
    assert np.abs(right - (heat_colours()[-1] / 2 + 127.5)).max() <= 2


@pytest.mark.parametrize(("values", "lowest"), [([[3.0, 3.0]], None), ([[-1.0, -2.0]], 0.0), ([[0.0]], 0.0)])
def test_a_map_without_differences_or_above_nothing_leaves_the_picture(values: Any, lowest: float | None) -> None:
    assert paint_heat(PAGE, np.float32(values), lowest=lowest).tobytes() == PAGE.tobytes()


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_every_mode_becomes_rgb_of_the_same_size(mode: str) -> None:
    found = paint_heat(PAGE.convert(mode), np.float32([[0, 1]]))
    assert (found.mode, found.size) == ("RGB", PAGE.size)


@pytest.mark.parametrize("values", [[1.0, 2.0], np.zeros((0, 3)), [[1.0, np.nan]], [[np.inf]]])
def test_what_is_no_map_is_refused(values: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"A map is \[rows, columns\] of finite numbers"):
        paint_heat(PAGE, np.float32(values))


@pytest.mark.parametrize("opacity", [-0.1, 1.1, float("nan")])
def test_an_opacity_out_of_range_is_refused(opacity: float) -> None:
    with pytest.raises(InvalidRequest, match="opacity must be from 0 to 1"):
        paint_heat(PAGE, np.float32([[0, 1]]), opacity=opacity)
