"""Images that clients send: every mode becomes RGB, and hostile files become one sentence."""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from cenote_pdf_pages.images import ImageDecoder, open_image


def saved(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def opened(data: bytes, max_pixels: int = 10_000, max_side: int = 1000) -> Image.Image:
    return open_image(data, max_pixels=max_pixels, max_side=max_side)


def png_of_size(width: int, height: int) -> bytes:
    """A PNG file that claims a size, and has hardly any data."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(b"\0" * 64))]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in [*chunks, (b"IEND", b"")]
    )
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"])
def test_formats_are_read(form: str) -> None:
    options = {"lossless": True} if form == "WEBP" else {"quality": 100} if form == "JPEG" else {}
    image = opened(saved(Image.new("RGB", (4, 3), (255, 0, 0)), form, **options))
    assert (image.mode, image.size) == ("RGB", (4, 3))
    np.testing.assert_allclose(image.getpixel((1, 1)), (255, 0, 0), atol=2)


@pytest.mark.parametrize(
    ("image", "colour"),
    [
        (Image.new("L", (2, 2), 128), (128, 128, 128)),
        (Image.new("1", (2, 2), 1), (255, 255, 255)),
        (Image.new("P", (2, 2), 0), (0, 0, 0)),
        (Image.new("LA", (2, 2), (0, 0)), (255, 255, 255)),
        (Image.new("RGBA", (2, 2), (255, 0, 0, 0)), (255, 255, 255)),
        (Image.new("RGBA", (2, 2), (0, 0, 0, 51)), (204, 204, 204)),
        (Image.fromarray(np.full((2, 2), 0x80FF, np.uint16)), (128, 128, 128)),
    ],
    ids=["grey", "bits", "palette", "grey and transparent", "transparent", "translucent", "16 bits"],
)
def test_modes_become_rgb_on_white(image: Image.Image, colour: tuple[int, int, int]) -> None:
    assert opened(saved(image)).getpixel((0, 0)) == colour


def test_a_transparent_colour_of_a_palette_lies_on_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    found = opened(saved(image, transparency=0))
    assert [found.getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (0, 0, 255)]


def test_cmyk_becomes_rgb() -> None:
    colour = opened(saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF")).getpixel((1, 1))
    np.testing.assert_allclose(colour, (255, 0, 0), atol=2)


def test_exif_turns_the_image() -> None:
    image = Image.new("RGB", (4, 2), "white")
    image.putpixel((0, 0), (255, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    found = opened(saved(image, exif=exif))
    assert found.size == (2, 4)
    assert found.tobytes() == ImageOps.exif_transpose(Image.open(io.BytesIO(saved(image, exif=exif)))).tobytes()


def test_of_an_animation_the_first_frame_is_read() -> None:
    frames = [Image.new("RGB", (3, 3), colour) for colour in ("red", "blue")]
    assert opened(saved(frames[0], "GIF", save_all=True, append_images=frames[1:])).getpixel((0, 0)) == (255, 0, 0)


def test_large_images_are_made_smaller() -> None:
    assert opened(saved(Image.new("RGB", (200, 20))), max_side=50).size == (50, 5)
    assert opened(saved(Image.new("RGB", (1000, 1))), max_side=50).size == (50, 1)


@pytest.mark.parametrize(
    ("image", "colour"),
    [
        (Image.new("RGBA", (300, 150), (255, 0, 0, 0)), (255, 255, 255)),
        (Image.new("RGBA", (300, 150), (0, 0, 0, 51)), (204, 204, 204)),
        (Image.new("LA", (300, 150), (0, 0)), (255, 255, 255)),
        (Image.new("1", (300, 150), 1), (255, 255, 255)),
        (Image.new("P", (300, 150), 0), (0, 0, 0)),
        (Image.fromarray(np.full((150, 300), 0x80FF, np.uint16)), (128, 128, 128)),
    ],
    ids=["transparent", "translucent", "grey and transparent", "bits", "palette", "16 bits"],
)
def test_so_are_images_of_other_modes(image: Image.Image, colour: tuple[int, int, int]) -> None:
    found = opened(saved(image), max_pixels=45_000, max_side=50)
    assert (found.mode, found.size, found.getpixel((25, 12))) == ("RGB", (50, 25), colour)


@pytest.mark.parametrize("turn", range(1, 9))
def test_large_images_are_turned_after_they_are_made_smaller(turn: int) -> None:
    image = Image.radial_gradient("L").resize((200, 120)).convert("RGB")
    image.paste((255, 0, 0), (0, 0, 100, 40))
    exif = Image.Exif()
    exif[0x0112] = turn
    for form, exact in (("PNG", 4), ("JPEG", 40), ("TIFF", 4)):
        data = saved(image, form, exif=exif)
        found = opened(data, max_pixels=24_000, max_side=50)
        wanted = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        wanted.thumbnail((50, 50), Image.Resampling.LANCZOS)
        assert found.size == wanted.size
        np.testing.assert_allclose(np.asarray(found, np.int16), np.asarray(wanted, np.int16), atol=exact)


def test_a_few_images_are_decoded_at_a_time() -> None:
    decoder = ImageDecoder(max_pixels=100, max_side=10, at_once=1)
    found: list[Image.Image] = []
    thread = threading.Thread(target=lambda: found.append(decoder.open(saved(Image.new("RGB", (4, 3))))))
    with decoder._turns:
        thread.start()
        thread.join(0.2)
        assert found == []
    thread.join()
    assert found[0].size == (4, 3)


@pytest.mark.parametrize("size", [(101, 100), (10_000, 10_000), (12_000, 12_000), (50_000, 50_000), (2**31 - 1, 1)])
def test_what_claims_too_many_pixels_is_not_decoded(size: tuple[int, int]) -> None:
    """Decoding would fail, and the message be another one: these files have next to no data."""
    data, claims = png_of_size(*size), f"it has {size[0]} x {size[1]} pixels; 10000 in all are allowed"
    with pytest.raises(ValueError, match=r"^it is damaged or cut off, and cannot be decoded$"):
        opened(png_of_size(100, 100))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # as in a server
        pillow_refuses = size[0] * size[1] > 2 * (Image.MAX_IMAGE_PIXELS or 0)
        text = "it has more than the 10000 pixels that are allowed" if pillow_refuses else claims
        with pytest.raises(ValueError, match=f"^{text}$"):
            opened(data)


def test_a_warning_of_pillow_is_no_other_refusal() -> None:
    """Under `python -W error`, as in these tests, Pillow's warning is an exception."""
    with pytest.raises(ValueError, match=r"^it has more than the 10000 pixels that are allowed$"):
        opened(png_of_size(10_000, 10_000))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"])
def test_files_that_are_cut_off_are_refused(form: str) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    data = saved(Image.fromarray(noise), form)
    for length in (len(data) // 2, 40):
        with pytest.raises(ValueError, match=r"damaged or cut off|no image that is read here"):
            opened(data[:length])


@pytest.mark.parametrize(
    "data", [b"", b"text", b"%PDF-1.4", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"<svg/>", b"P6 1 1 255\n\0\0\0"]
)
def test_what_is_no_image_of_these_formats_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="it is no image that is read here"):
        opened(data)


def test_pixels_of_32_bits_are_refused() -> None:
    with pytest.raises(ValueError, match="its pixels are 32-bit numbers"):
        opened(saved(Image.new("F", (2, 2)), "TIFF"))
