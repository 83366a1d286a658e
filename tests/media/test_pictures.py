"""`Picture.of_bytes`: what images of every format and kind look like, compared with Pillow where that is right."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from cenote.errors import InvalidRequest
from cenote.media import Picture

WIDTH, HEIGHT = 21, 13
COLOURS = Image.fromarray(np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 4), dtype=np.uint8), "RGBA")
SIXTEEN = np.random.default_rng(1).integers(0, 65536, (HEIGHT, WIDTH), dtype=np.uint16)
TURNS = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_270", 7: "TRANSVERSE"}
TURNS[8] = "ROTATE_90"


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def in_mode(mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(SIXTEEN)
    grey = COLOURS.convert("LA")
    return grey.convert(mode) if mode in ("PA", "La") else COLOURS.convert(mode)


def rgb(data: bytes) -> Image.Image:
    picture = Picture.of_bytes(data, max_pixels=10_000)
    image = picture.rgb()
    assert image.mode == "RGB"
    assert image.size == (picture.width, picture.height)
    return image


def by_pillow(data: bytes) -> Image.Image:
    """Decode in the simplest way, with what is transparent on white."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if image.has_transparency_data:
        layer = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return image.convert("RGB")


KINDS: list[tuple[str, str, dict[str, Any]]] = [
    *(("PNG", mode, {}) for mode in ("1", "L", "P", "RGB", "RGBA", "LA")),
    *(("PNG", mode, {"transparency": 5}) for mode in ("L", "P")),
    ("PNG", "P", {"transparency": bytes(range(256))}),
    ("PNG", "RGB", {"transparency": COLOURS.getpixel((0, 0))[:3], "optimize": True}),
    *(("JPEG", mode, {}) for mode in ("1", "L", "RGB", "CMYK", "YCbCr")),
    *(
        ("JPEG", "RGB", options)
        for options in ({"progressive": True}, {"subsampling": 0}, {"restart_marker_blocks": 1})
    ),
    ("JPEG", "CMYK", {"progressive": True}),
    ("JPEG", "RGB", {"icc_profile": b"x" * 200_000, "comment": b"y" * 1000, "xmp": b"<x/>"}),
    *(("WEBP", mode, {}) for mode in ("L", "P", "RGB", "RGBA")),
    ("WEBP", "RGBA", {"lossless": True, "exact": True}),
    ("WEBP", "RGB", {"icc_profile": b"x" * 101}),
    *(("GIF", mode, {}) for mode in ("1", "L", "P", "RGB", "RGBA")),
    ("GIF", "P", {"transparency": 3, "comment": b"c" * 1000, "interlace": 0}),
    *(("BMP", mode, {}) for mode in ("1", "L", "P", "RGB", "RGBA")),
    *(("TIFF", mode, {}) for mode in ("1", "L", "P", "RGB", "RGBA", "LA", "PA", "CMYK", "YCbCr")),
    *(("TIFF", "RGB", {"compression": f"tiff_{name}"}) for name in ("lzw", "adobe_deflate", "deflate")),
    ("TIFF", "L", {"compression": "packbits"}),
    ("TIFF", "RGB", {"compression": "jpeg"}),
    ("TIFF", "L", {"compression": "tiff_lzw", "tiffinfo": {317: 2}}),
    *(("TIFF", "1", {"compression": name}) for name in ("group3", "group4", "tiff_ccitt")),
]


@pytest.mark.parametrize(("kind", "mode", "options"), KINDS, ids=lambda value: str(value)[:30])
def test_formats_and_modes_look_as_pillow_shows_them(kind: str, mode: str, options: dict[str, Any]) -> None:
    data = encoded(in_mode(mode), kind, **options)
    assert rgb(data).tobytes() == by_pillow(data).tobytes()


@pytest.mark.parametrize(
    "data",
    [encoded(Image.fromarray(SIXTEEN), "PNG"), encoded(Image.fromarray(SIXTEEN), "TIFF")],
    ids=["PNG", "TIFF"],
)
def test_grey_of_16_bits_keeps_its_upper_8(data: bytes) -> None:
    pixels = np.asarray(rgb(data))
    assert np.array_equal(pixels, np.repeat((SIXTEEN >> 8)[..., None], 3, axis=2))
    assert not np.array_equal(pixels, np.asarray(by_pillow(data)))  # which cuts at 255


def test_a_transparent_grey_of_16_bits_is_white() -> None:
    dark = SIXTEEN // 4
    data = encoded(Image.fromarray(dark), "PNG", transparency=int(dark[0, 0]))
    pixels = np.asarray(rgb(data))
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert np.array_equal(pixels[..., 0] == 255, dark == dark[0, 0])


def test_a_transparent_colour_of_16_bits_is_compared_by_its_upper_8() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">L", len(body)) + kind + body + struct.pack(">L", zlib.crc32(kind + body))

    rows = b"\0" + struct.pack(">6H", 0x8001, 0x4002, 0x2003, 0x8001, 0x4002, 0x2103)
    parts = [chunk(b"IHDR", struct.pack(">LLBBBBB", 2, 1, 16, 2, 0, 0, 0))]
    parts += [chunk(b"tRNS", struct.pack(">3H", 0x8001, 0x4002, 0x2003)), chunk(b"IDAT", zlib.compress(rows))]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")
    assert np.asarray(rgb(data)).tolist() == [[[255, 255, 255], [0x80, 0x40, 0x21]]]


def test_transparency_is_laid_on_white() -> None:
    image = Image.new("RGBA", (2, 1), (200, 0, 0, 0))
    image.putpixel((1, 0), (200, 0, 100, 128))
    assert np.asarray(rgb(encoded(image, "PNG"))).tolist() == [[[255, 255, 255], [227, 127, 177]]]


@pytest.mark.parametrize("order", ["II", "MM"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(10))
def test_orientations_of_exif_are_applied(kind: str, orientation: int, order: str) -> None:
    exif = Image.Exif()
    exif.endian = "<" if order == "II" else ">"
    exif[0x010F] = "a maker"
    exif[0x0112] = orientation
    image = COLOURS.convert("RGB").resize((24, 16))
    if kind == "TIFF" and orientation not in TURNS:
        data = encoded(image, kind)
    else:
        data = encoded(image, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    plain = by_pillow(encoded(image, kind, **({"lossless": True} if kind == "WEBP" else {})))
    turn = TURNS.get(orientation)
    expected = plain if turn is None else plain.transpose(Image.Transpose[turn])
    assert rgb(data).tobytes() == expected.tobytes()
    assert Picture.of_bytes(data).width == expected.width


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"Exif\0\0",
        b"garbage" * 10,
        b"II*\0\x08\0\0\0",
        b"II*\0\xff\xff\xff\xff",
        b"II*\0\x08\0\0\0\xff\xff" + b"\x12\x01" * 3,
        b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x01\0\x06\0\0",  # text
        b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x02\0\x06\0\0",  # two numbers
        b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x09\0\0",
    ],
)
def test_exif_that_is_broken_leaves_the_image_upright(exif: bytes) -> None:
    for kind in ("PNG", "JPEG", "WEBP"):
        data = encoded(COLOURS.convert("RGB"), kind, exif=exif)
        assert rgb(data).tobytes() == by_pillow(encoded(COLOURS.convert("RGB"), kind)).tobytes()


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_frames_the_first_is_shown(kind: str) -> None:
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "lime", "blue")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert rgb(data).getpixel((3, 3)) == pytest.approx((255, 0, 0), abs=2)


def test_what_follows_a_jpeg_is_ignored() -> None:
    alone = encoded(COLOURS.convert("RGB"), "JPEG", progressive=True)
    film = np.random.default_rng(2).bytes(20_000) + b"\xff\xda" * 200
    assert rgb(alone + film).tobytes() == rgb(alone).tobytes()
    several = encoded(COLOURS.convert("RGB"), "MPO", save_all=True, append_images=[Image.new("RGB", (300, 200))])
    assert rgb(several).tobytes() == by_pillow(several).tobytes()


def test_texts_and_profiles_of_a_png_change_nothing() -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("a", "b" * 1000, zip=True)
    texts.add_itxt("c", "d" * 1000, zip=True)
    data = encoded(COLOURS, "PNG", pnginfo=texts, icc_profile=b"x" * 5000)
    assert rgb(data).tobytes() == rgb(encoded(COLOURS, "PNG")).tobytes()


@pytest.mark.parametrize("is_packed", [True, False])
def test_exif_as_older_imagemagick_kept_it_is_read(is_packed: bool) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    digits = (b"Exif\0\0" + exif.tobytes().removeprefix(b"Exif\0\0")).hex()
    profile = f"\nexif\n{len(digits) // 2:8}\n" + "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    for text, turns in ((profile, True), (profile.replace("0", "g"), False), ("", False), ("\n" * 10**6, False)):
        texts = PngImagePlugin.PngInfo()
        texts.add_text("Raw profile type exif", text, zip=is_packed)
        expected = COLOURS.convert("RGB").transpose(Image.Transpose.ROTATE_270) if turns else COLOURS.convert("RGB")
        assert rgb(encoded(COLOURS.convert("RGB"), "PNG", pnginfo=texts)).tobytes() == expected.tobytes()
    broken = encoded(COLOURS.convert("RGB"), "PNG", pnginfo=texts).replace(b"exif\0\0x", b"exif\0\0y")
    assert rgb(broken).tobytes() == COLOURS.convert("RGB").tobytes()


def test_a_picture_is_named_by_all_of_its_bytes() -> None:
    first, again = (Picture.of_bytes(encoded(COLOURS, "PNG")) for _ in range(2))
    other = Picture.of_bytes(encoded(COLOURS, "PNG", optimize=True, icc_profile=b"x"))
    assert first == again
    assert hash(first) == hash(again)
    assert first != other
    assert first != first.digest
    assert len(first.digest) == 64


def test_pixels_are_not_kept() -> None:
    picture = Picture.of_bytes(encoded(COLOURS, "PNG"))
    assert picture.rgb() is not picture.rgb()
    with picture.decoded() as image:
        pixels = image.tobytes()
    assert pixels == picture.rgb().tobytes()


@pytest.mark.parametrize("kind", ["PPM", "EPS", "ICO", "TGA", "AVIF", "JPEG2000", "PDF"])
def test_other_formats_are_refused_whatever_pillow_could_do(kind: str) -> None:
    data = encoded(COLOURS.convert("RGB"), kind)
    text = "The medium is no image that can be read; known formats: PNG, JPEG, WEBP, GIF, BMP, TIFF."
    with pytest.raises(InvalidRequest) as refused:
        Picture.of_bytes(data)
    assert str(refused.value) == text


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [1, 8])
def test_tiles_and_strips_of_tiffs_of_either_order_are_put_together(order: str, compression: int) -> None:
    grey = np.random.default_rng(3).integers(0, 256, (32, 48), dtype=np.uint8)
    pack = zlib.compress if compression == 8 else bytes
    tiles = [pack(grey[row : row + 16, left : left + 16].tobytes()) for row in (0, 16) for left in (0, 16, 32)]
    strips = [pack(grey[row : row + 8].tobytes()) for row in range(0, 32, 8)]
    tiled = [(322, 16), (323, 16), (324, tiles), (325, tiles)]
    striped = [(273, strips), (278, 8), (279, strips)]
    for parts, data in ((tiles, _tiff(order, compression, tiled)), (strips, _tiff(order, compression, striped))):
        assert len(parts) > 1
        assert np.array_equal(np.asarray(rgb(data))[..., 0], grey)


def _tiff(order: str, compression: int, layout: list[tuple[int, Any]]) -> bytes:
    """Make a grey TIFF of 48 x 32, pixels first."""
    body = b"II*\0____" if order == "<" else b"MM\0*____"
    entries = [(256, 48), (257, 32), (259, compression), (262, 1), (258, 8)]
    for tag, value in layout:
        if not isinstance(value, list):
            entries.append((tag, value))
            continue
        numbers = [len(part) for part in value]
        if tag in (273, 324):
            numbers = [len(body) + sum(numbers[:place]) for place in range(len(value))]
            body += b"".join(value)
        entries.append((tag, (len(value), len(body))))
        body += struct.pack(f"{order}{len(value)}L", *numbers)
    body += b"\0" * (len(body) % 2)
    table = b""
    for tag, value in sorted(entries):
        number, raw = value if isinstance(value, tuple) else (1, value)
        table += struct.pack(order + "HHLL", tag, 4, number, raw)
    head = body[:4] + struct.pack(order + "L", len(body))
    return head + body[8:] + struct.pack(order + "H", len(entries)) + table + b"\0" * 4


def test_colours_of_jpegs_with_adobes_other_coding_are_those_of_pillow() -> None:
    data = encoded(in_mode("CMYK"), "JPEG", quality=95)
    place = data.index(b"Adobe") + 11
    ycck = data[:place] + b"\2" + data[place + 1 :]
    assert rgb(ycck).tobytes() == by_pillow(ycck).tobytes() != rgb(data).tobytes()


@pytest.mark.parametrize("options", [{}, {"transparency": 0}])
def test_a_frame_of_a_gif_stands_at_its_place_on_the_screen(options: dict[str, Any]) -> None:
    frame = Image.new("P", (8, 6), 1)
    frame.putpalette([0, 0, 255, 255, 0, 0])
    gif = encoded(frame, "GIF", optimize=False, **options)
    place = gif.index(b"," + struct.pack("<HHHH", 0, 0, 8, 6))
    moved = gif[:6] + struct.pack("<HH", 12, 11) + gif[10 : place + 1] + struct.pack("<HH", 3, 4) + gif[place + 5 :]
    image = rgb(moved)
    assert image.size == (12, 11)
    assert image.tobytes() == by_pillow(moved).tobytes()
    assert image.getpixel((3, 4)) == image.getpixel((10, 9)) == (255, 0, 0)
    assert image.getpixel((2, 4)) != (255, 0, 0)
