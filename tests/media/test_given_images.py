"""Images that a program has already: of Pillow, or arrays of numpy."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cenote.errors import InvalidRequest, WrongType
from cenote.media import Picture

ARRAY = np.random.default_rng(0).integers(0, 256, (9, 14, 4), dtype=np.uint8)
COLOURS = Image.fromarray(ARRAY[..., :3].copy())


def opened(image: Image.Image, kind: str, **options: Any) -> Image.Image:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return Image.open(io.BytesIO(out.getvalue()))


def white(image: Image.Image) -> bytes:
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB").tobytes()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "HSV", "RGBX"])
def test_images_of_pillow_are_converted(mode: str) -> None:
    image = COLOURS.convert(mode)
    assert Picture.of_image(image).rgb().tobytes() == image.convert("RGB").tobytes()


@pytest.mark.parametrize("mode", ["RGBA", "RGBa", "LA", "La", "PA"])
def test_what_is_transparent_is_laid_on_white(mode: str) -> None:
    image = Image.fromarray(ARRAY)
    image = image.convert("LA").convert(mode) if mode in ("PA", "La") else image.convert(mode)
    expected = white(image.convert("LA") if mode == "La" else image)
    assert Picture.of_image(image).rgb().tobytes() == expected


def test_a_transparent_colour_of_a_palette_is_white() -> None:
    image = COLOURS.convert("P")
    image.info["transparency"] = image.getpixel((0, 0))
    assert Picture.of_image(image).rgb().getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_grey_of_16_bits_keeps_its_upper_8(dtype: str) -> None:
    values = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)
    image = Image.fromarray(values.astype(dtype))
    assert image.mode.startswith("I;16")
    assert np.array_equal(np.asarray(Picture.of_image(image).rgb())[..., 1], values >> 8)


@pytest.mark.parametrize("mode", ["I;16", "I;16L", "I;16B", "I;16N"])
def test_every_order_of_16_bits_is_read(mode: str) -> None:
    assert Picture.of_image(Image.new(mode, (1, 1), 0x1234)).rgb().getpixel((0, 0)) == (0x12, 0x12, 0x12)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_numbers_without_a_white_are_refused(mode: str) -> None:
    picture = Picture.of_image(COLOURS.convert(mode))
    with pytest.raises(InvalidRequest, match=r"nothing says which of them is white\. Convert it to 8 or 16 bits\.$"):
        picture.rgb()


def test_an_image_that_was_closed_is_refused() -> None:
    image = COLOURS.copy()
    picture = Picture.of_image(image)
    image.close()
    with pytest.raises(InvalidRequest, match="cannot be decoded"):
        picture.rgb()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("is_loaded", [True, False])
def test_exif_turns_images_that_were_opened(kind: str, is_loaded: bool) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {"lossless": True} if kind == "WEBP" else {}
    image = opened(COLOURS, kind, exif=exif, **options)
    if is_loaded:
        image.load()
    picture = Picture.of_image(image)
    expected = opened(COLOURS, kind, **options).convert("RGB").transpose(Image.Transpose.ROTATE_270)
    assert (picture.width, picture.height) == (9, 14)
    assert picture.rgb().tobytes() == expected.tobytes()
    assert picture.rgb().tobytes() == expected.tobytes()  # a second time, too


def test_exif_that_is_broken_leaves_the_image_upright() -> None:
    image = COLOURS.copy()
    image.info["exif"] = b"Exif\0\0II*\0\xff\xff\xff\xff"
    assert Picture.of_image(image).rgb().tobytes() == COLOURS.tobytes()


def test_the_image_itself_is_not_changed() -> None:
    image = Image.fromarray(ARRAY)
    before = image.tobytes()
    picture = Picture.of_image(image)
    picture.rgb()
    assert (image.mode, image.tobytes()) == ("RGBA", before)


def test_digests_tell_apart_what_looks_different() -> None:
    palette = COLOURS.convert("P")
    other_palette = palette.copy()
    other_palette.putpalette(list(range(255, -1, -1)) * 3)
    see_through = palette.copy()
    see_through.info["transparency"] = 1
    turned = COLOURS.copy()
    turned.info["exif"] = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0"
    wide, high = Image.new("L", (6, 2)), Image.new("L", (2, 6))
    images = [palette, other_palette, see_through, COLOURS, turned, wide, high, wide.convert("RGB"), wide.convert("P")]
    assert len({Picture.of_image(image).digest for image in images}) == len(images)
    assert Picture.of_image(COLOURS) == Picture.of_image(COLOURS.copy())
    assert Picture.of_image(COLOURS).digest != Picture.of_bytes(_png(COLOURS)).digest


def test_an_image_that_is_broken_is_refused_when_it_is_looked_at() -> None:
    picture = Picture.of_image(Image.open(io.BytesIO(_png(COLOURS)[:200])))
    text = "^The image is truncated or broken and cannot be decoded.$"
    with pytest.raises(InvalidRequest, match=text):
        picture.rgb()
    with pytest.raises(InvalidRequest, match=text):
        _ = picture.digest


def test_one_image_in_several_prompts_is_loaded_once_at_a_time() -> None:
    image = Image.open(io.BytesIO(_png(COLOURS.resize((400, 300)))))
    pictures = [Picture.of_image(image) for _ in range(16)]
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda picture: (picture.digest, picture.rgb().tobytes()), pictures))
    assert found == {(pictures[0].digest, COLOURS.resize((400, 300)).tobytes())}


@pytest.mark.parametrize(
    ("size", "says"),
    [
        ((0, 3), "has 0 x 3 pixels, so there is nothing to see"),
        ((3, 0), "has 3 x 0 pixels"),
        ((11, 10), "has 11 x 10 pixels; at most 100 are decoded"),
        ((70_000, 1), "at most 65535 in a row or column"),
    ],
)
def test_sizes_are_checked(size: tuple[int, int], says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        Picture.of_image(Image.new("L", size), max_pixels=100)
    with pytest.raises(InvalidRequest, match=says):
        Picture.of_array(np.zeros(size[::-1], np.uint8), max_pixels=100)


def test_a_size_is_checked_later_too() -> None:
    picture = Picture.of_image(Image.new("L", (11, 10)))
    picture.check_size(110)
    picture.check_size(None)
    with pytest.raises(InvalidRequest, match="at most 109 are decoded"):
        picture.check_size(109)


def test_arrays_are_grey_rgb_or_rgba() -> None:
    grey = Picture.of_array(ARRAY[..., 0])
    assert np.array_equal(np.asarray(grey.rgb()), np.repeat(ARRAY[..., :1], 3, axis=2))
    assert (grey.width, grey.height) == (14, 9)
    assert np.array_equal(np.asarray(Picture.of_array(ARRAY[..., :3]).rgb()), ARRAY[..., :3])
    assert Picture.of_array(ARRAY).rgb().tobytes() == white(Image.fromarray(ARRAY))
    backwards = ARRAY[::-1, ::-1, 2::-1]  # not one piece of memory
    assert np.array_equal(np.asarray(Picture.of_array(backwards).rgb()), backwards)


def test_an_array_may_be_changed_afterwards() -> None:
    array = ARRAY.copy()
    picture = Picture.of_array(array)
    before = picture.rgb().tobytes()
    array[:] = 0
    assert picture.rgb().tobytes() == before
    assert picture == Picture.of_array(ARRAY)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((3, 8, 8), np.uint8),
        np.zeros((8, 8, 2), np.uint8),
        np.zeros(8, np.uint8),
        np.zeros((1, 8, 8, 3), np.uint8),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((8, 8), np.uint16),
        np.zeros((8, 8), bool),
    ],
)
def test_arrays_of_other_kinds_are_refused(array: np.ndarray) -> None:
    with pytest.raises(WrongType, match=r"^An image as an array is uint8 of shape \[height, width\]") as refused:
        Picture.of_array(array)
    assert f"not {array.dtype} of shape {list(array.shape)}." in str(refused.value)


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
