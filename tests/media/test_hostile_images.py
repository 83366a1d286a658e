"""Images that lie, are cut off, or ask for more than they are: refused early, with a clean message."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cenote.errors import InvalidRequest
from cenote.media import Picture

MOST = 1_000_000
BROKEN = "The image is truncated or broken and cannot be decoded."
COLOURS = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8))


def encoded(kind: str, image: Image.Image = COLOURS, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">L", len(body)) + kind + body + struct.pack(">L", zlib.crc32(kind + body))


def png(width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 2, pixels: bytes = b"") -> bytes:
    head = struct.pack(">LLBBBBB", width, height, depth, colour, 0, 0, 0)
    body = zlib.compress(pixels)
    parts = (chunk(b"IHDR", head), *chunks, chunk(b"IDAT", body), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def tiff(entries: dict[int, tuple[int, int, bytes]], rest: bytes = b"", order: str = "<") -> bytes:
    table = b"".join(
        struct.pack(order + "HHL", tag, kind, number) + raw for tag, (kind, number, raw) in sorted(entries.items())
    )
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "L", 8)
    return head + struct.pack(order + "H", len(entries)) + table + b"\0\0\0\0" + rest


def number(value: int) -> tuple[int, int, bytes]:
    return 4, 1, struct.pack("<L", value)


def grey_tiff(**changes: Any) -> bytes:
    """Make a TIFF of 4 x 2 grey pixels, with entries replaced."""
    names = {"width": 256, "height": 257, "bits": 258, "compression": 259, "photometric": 262, "strips": 273}
    names |= {"samples": 277, "rows": 278, "counts": 279, "tile_width": 322, "tile_height": 323, "format": 339}
    names |= {"note": 700, "orientation": 274}
    fields = {
        "width": 4,
        "height": 2,
        "bits": 8,
        "compression": 1,
        "photometric": 1,
        "strips": 0,
        "counts": 8,
    } | changes
    entries = {names[name]: value if isinstance(value, tuple) else number(value) for name, value in fields.items()}
    for name in ("bits", "format"):
        if isinstance(fields.get(name), int):
            entries[names[name]] = (3, 1, struct.pack("<HH", fields[name], 0))
    start = 8 + 2 + 12 * len(entries) + 4
    if not fields["strips"]:
        entries[names["strips"]] = number(start)
    return tiff(entries, bytes(range(0, 80, 10)))


def decoded(data: bytes) -> Image.Image:
    return Picture.of_bytes(data, max_pixels=MOST).rgb()


def refusal(data: bytes) -> str:
    """Return why a picture is refused, by its head or by its pixels; warnings of Pillow are errors in these tests."""
    with pytest.raises(InvalidRequest) as refused:
        decoded(data)
    text = str(refused.value)
    assert type(refused.value) is InvalidRequest
    assert not any(word in text for word in ("0x", "BytesIO", "object at", ".py", "PIL", "/"))
    return text


def peak_of_refusal(data: bytes) -> int:
    tracemalloc.start()
    try:
        refusal(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


CLAIMS = {
    "PNG": png(50_000, 50_000),
    "JPEG": encoded("JPEG").replace(struct.pack(">HH", 24, 32), struct.pack(">HH", 50_000, 50_000), 1),
    "GIF": b"GIF89a" + struct.pack("<HHBBB", 50_000, 50_000, 0, 0, 0) + encoded("GIF", COLOURS.convert("L"))[13:],
    "BMP": encoded("BMP").replace(struct.pack("<LL", 32, 24), struct.pack("<LL", 50_000, 50_000), 1),
    "TIFF": grey_tiff(width=50_000, height=50_000),
    "WEBP": b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0" + b"\0" * 4 + b"\x4f\xc3\0" * 2 + b"\0" * 20,
}


@pytest.mark.parametrize("kind", CLAIMS)
def test_claimed_pixels_cost_nothing(kind: str) -> None:
    data = CLAIMS[kind] + b"\0" * 1000
    assert len(data) < 5000
    with pytest.raises(InvalidRequest) as refused:  # by the head alone
        Picture.of_bytes(data, max_pixels=MOST)
    said = "The image has 50000 x 50000 pixels; at most 1000000 are decoded. Send a smaller one."
    assert str(refused.value) == said
    assert peak_of_refusal(data) < 200_000


@pytest.mark.parametrize(("width", "height"), [(1001, 1000), (1_000_001, 1)])
def test_the_cap_counts_pixels(width: int, height: int) -> None:
    assert refusal(png(width, height)).startswith(f"The image has {width} x {height} pixels; at most ")
    fits = Picture.of_bytes(png(1000, 1000), max_pixels=MOST)
    assert (fits.width, fits.height) == (1000, 1000)


def test_no_side_is_longer_than_65535() -> None:
    text = "The image has 65536 x 1 pixels; at most 65535 in a row or column are decoded. Send a smaller one."
    assert refusal(png(65_536, 1)) == text


def test_limits_of_pillow_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the other formats are in Pillow's decoders, and above what an operator may allow."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    for kind in ("PNG", "JPEG", "BMP", "TIFF"):
        assert decoded(encoded(kind)).size == (32, 24)
    assert decoded(encoded("TIFF", compression="tiff_lzw")).tobytes() == COLOURS.tobytes()
    assert refusal(encoded("WEBP")) == "The image has 32 x 24 pixels; Pillow decodes no WEBP of that size."


@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0), (0, 0)])
def test_images_without_pixels_are_refused(width: int, height: int) -> None:
    files = [png(width, height), grey_tiff(width=width, height=height)]
    files.append(encoded("BMP").replace(struct.pack("<LL", 32, 24), struct.pack("<LL", width, height), 1))
    files.append(encoded("JPEG").replace(struct.pack(">HH", 24, 32), struct.pack(">HH", height, width), 1))
    for data in files:
        assert refusal(data) == f"The image has {width} x {height} pixels, so there is nothing to see."


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_every_cut_is_refused_cleanly(kind: str) -> None:
    data = encoded(kind)
    for length in (*range(0, 80), *range(80, len(data) - 12, 97)):
        assert refusal(data[:length])


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP", "TIFF", "JPEG"])
def test_half_an_image_is_not_shown(kind: str) -> None:
    data = encoded(kind)
    cut = data[: len(data) // 2]
    assert refusal(cut) in (BROKEN, f"The image cannot be read: the {kind} is cut off.")


ROW = b"\0" + b"\x80" * 24


@pytest.mark.parametrize(
    "pixels", [b"", ROW * 3, ROW * 7 + ROW[:-1], ROW * 7 + b"\0"], ids=["none", "few", "a byte less", "no last row"]
)
def test_rows_of_a_png_that_are_missing_are_not_made_up(pixels: bytes) -> None:
    """The packed stream is complete, which is all that Pillow looks at."""
    assert refusal(png(8, 8, pixels=pixels)) == BROKEN


def test_a_png_with_all_rows_is_read() -> None:
    assert decoded(png(8, 8, pixels=ROW * 8)).getpixel((7, 7)) == (128, 128, 128)
    assert decoded(png(8, 8, pixels=ROW * 8 + b"more")).getpixel((7, 7)) == (128, 128, 128)
    whole = png(8, 8, pixels=ROW * 8)
    assert refusal(whole.replace(b"IDAT", b"PLTE")) == BROKEN


@pytest.mark.parametrize(("width", "height"), [(8, 8), (1, 1), (5, 3), (3, 17), (13, 1)])
@pytest.mark.parametrize(("depth", "colour", "samples"), [(1, 0, 1), (4, 0, 1), (8, 2, 3), (16, 6, 4), (8, 4, 2)])
@pytest.mark.parametrize("interlaced", [False, True])
def test_rows_of_every_kind_of_png_are_counted(
    width: int, height: int, depth: int, colour: int, samples: int, interlaced: bool
) -> None:
    """Sizes of the passes by hand: pixels of each 8 x 8 block belong to the pass that its pattern names."""
    pattern = ("16462646", "77777777", "56565656", "77777777", "36463646", "77777777", "56565656", "77777777")
    passes: dict[str, dict[int, int]] = {}
    for y in range(height):
        for x in range(width):
            rows = passes.setdefault(pattern[y % 8][x % 8] if interlaced else "1", {})
            rows[y] = rows.get(y, 0) + 1
    size = sum(1 + -(-count * samples * depth // 8) for rows in passes.values() for count in rows.values())
    head = struct.pack(">LLBBBBB", width, height, depth, colour, 0, 0, interlaced)
    for missing in (0, 1):
        body = zlib.compress(b"\0" * (size - missing))
        parts = (chunk(b"IHDR", head), chunk(b"IDAT", body[:5]), chunk(b"IDAT", body[5:]), chunk(b"IEND", b""))
        data = b"\x89PNG\r\n\x1a\n" + b"".join(parts)
        if missing:
            assert refusal(data) == BROKEN
        else:
            assert decoded(data).size == (width, height)


def test_a_png_that_cannot_have_its_size_is_refused_before_it_is_unpacked() -> None:
    data = png(1000, 1000, pixels=b"\0" * 3001)
    assert refusal(data) == BROKEN
    assert peak_of_refusal(data) < 100_000
    large = png(1000, 1000, pixels=b"\0" * 3001 * 900)  # as long as it needs to be seen by counting
    assert refusal(large) == BROKEN
    assert peak_of_refusal(large) < 1_000_000


def test_texts_and_profiles_that_unpack_to_gigabytes_are_not_unpacked() -> None:
    bomb = zlib.compress(b"\0" * 20_000_000)
    pixels = (b"\0" + b"\x80" * 12) * 3
    chunks = [chunk(b"iCCP", b"x\0\0" + bomb), chunk(b"zTXt", b"x\0\0" + bomb), chunk(b"iTXt", b"x\0\1\0\0\0" + bomb)]
    data = png(4, 3, *chunks * 5, chunk(b"eXIf", b"II*\0" + b"\xff" * 1000), pixels=pixels)
    tracemalloc.start()
    image = decoded(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert image.getpixel((3, 2)) == (128, 128, 128)
    assert peak < 10 * len(data)


def test_pixels_that_unpack_to_more_than_the_image_are_left() -> None:
    image = decoded(png(4, 3, pixels=b"\0" * 50_000_000))
    assert image.size == (4, 3)


def test_pngs_of_many_chunks_are_refused_or_lose_them() -> None:
    pixels = (b"\0" + b"\x80" * 12) * 3
    assert decoded(png(4, 3, chunk(b"abCd", b"") * 50_000, pixels=pixels))
    assert "more than 100000 chunks" in refusal(png(4, 3, chunk(b"abCd", b"") * 100_001))


def test_a_second_head_of_a_png_is_not_read() -> None:
    second = chunk(b"IHDR", struct.pack(">LLBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    pixels = (b"\0" + b"\x80" * 12) * 3
    assert decoded(png(4, 3, second, pixels=pixels)).size == (4, 3)


def test_frames_of_an_animated_png_are_not_read() -> None:
    control = chunk(b"acTL", struct.pack(">LL", 2**31 - 1, 0))
    frames = b"".join(
        chunk(b"fcTL", struct.pack(">LLLLLHHBB", at, 60_000, 60_000, 0, 0, 1, 1, 0, 0)) for at in range(9)
    )
    pixels = (b"\0" + b"\x80" * 12) * 3
    assert decoded(png(4, 3, control, frames, pixels=pixels)).size == (4, 3)


@pytest.mark.parametrize(
    ("depth", "colour", "pixels", "transparent", "is_read"),
    [
        (16, 6, b"\0" + b"\x80\x01" * 16, b"", True),  # RGBA of 16 bits
        (16, 2, b"\0" + b"\x80\x01" * 12, b"\x80\x01" * 3, True),  # RGB of 16 bits, one of them transparent
        (8, 3, b"\0" + b"\xff" * 4, b"", False),  # a palette that is missing
        (3, 0, b"\0\0\0", b"", False),  # a depth that does not exist
        (8, 9, b"\0" * 5, b"", False),  # a kind of colour that does not exist
    ],
)
def test_strange_kinds_of_png_are_decoded_or_refused(
    depth: int, colour: int, pixels: bytes, transparent: bytes, is_read: bool
) -> None:
    extra = [chunk(b"tRNS", transparent)] if transparent else []
    data = png(4, 1, *extra, depth=depth, colour=colour, pixels=pixels)
    if is_read:
        assert decoded(data).size == (4, 1)
    else:
        assert refusal(data) == BROKEN


def test_exif_whose_entries_point_to_the_same_bytes_is_not_unfolded() -> None:
    entries = b"".join(struct.pack("<HHLL", 1000 + at, 7, 60_000, 8) for at in range(4_000))
    exif = b"Exif\0\0II*\0" + struct.pack("<LH", 8, 4_000) + entries + b"\0" * 12_000
    jpeg = encoded("JPEG")
    parts = [segment(0xE1, exif[at : at + 65_000]) for at in range(0, len(exif), 65_000)]
    data = jpeg[:2] + b"".join(parts) + jpeg[20:]  # without JFIF, so that Pillow would look for its resolution in EXIF
    tracemalloc.start()
    image = decoded(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert image.size == (32, 24)
    assert peak < 2_000_000


def test_a_jpeg_of_many_scans_is_refused() -> None:
    jpeg = encoded("JPEG", progressive=True)
    start = jpeg.rindex(b"\xff\xda")
    scan = jpeg[start:-2]
    assert decoded(jpeg[:start] + scan * 2 + b"\xff\xd9").size == (32, 24)
    assert "more than 100 scans" in refusal(jpeg[:start] + scan * 101 + b"\xff\xd9")
    assert "more than 100 scans" in refusal(jpeg[:start] + b"\xff\xda\0\2" * 5_000)


def test_a_large_jpeg_has_fewer_scans() -> None:
    jpeg = encoded("JPEG", progressive=True)
    start = jpeg.rindex(b"\xff\xda")
    scans, large = jpeg.count(b"\xff\xda"), struct.pack(">HH", 13_000, 13_000)
    jpeg = jpeg.replace(struct.pack(">HH", 24, 32), large, 1)
    most = 2**31 // 13_000**2
    allowed = jpeg[:-2] + jpeg[start:-2] * (most - scans) + b"\xff\xd9"
    assert Picture.of_bytes(allowed).width == 13_000
    with pytest.raises(InvalidRequest, match=f"has {most + 1} scans of 13000 x 13000 pixels, which is too much work"):
        Picture.of_bytes(allowed[:-2] + jpeg[start:-2] + b"\xff\xd9")
    one = encoded("JPEG").replace(struct.pack(">HH", 24, 32), struct.pack(">HH", 65_000, 65_000), 1)
    assert Picture.of_bytes(one).height == 65_000


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\xff\xd8" + segment(0xFE, b"") * 100_001, "more than 100000 segments"),
        (b"\xff\xd8" + b"\xff" * 200_000, "has no scan"),
        (b"\xff\xd8\xff\xd9", "has no scan"),
        (b"\xff\xd8" + segment(0xDA, b"\0" * 8), "does not say its size"),
        (b"\xff\xd8" + segment(0xC0, b"\x08") + segment(0xDA, b"\0" * 8), "does not say its size"),
        (b"\xff\xd8\xff\xe1\0\0" + b"x" * 100, "is cut off"),
    ],
)
def test_jpegs_that_do_not_come_to_their_pixels_are_refused(data: bytes, says: str) -> None:
    assert says in refusal(data)


def test_a_second_frame_of_a_jpeg_is_not_read() -> None:
    jpeg = encoded("JPEG")
    place = jpeg.index(b"\xff\xc0")
    frame = jpeg[place : place + 2 + int.from_bytes(jpeg[place + 2 : place + 4], "big")]
    lie = frame.replace(struct.pack(">HH", 24, 32), struct.pack(">HH", 60_000, 60_000))
    after = place + len(frame)
    assert decoded(jpeg[:after] + lie + jpeg[after:]).size == (32, 24)


def test_cmyk_of_jpeg_is_read_as_inverted_with_and_without_adobes_mark() -> None:
    ink = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # red
    data = encoded("JPEG", ink, quality=100)
    place = data.index(b"\xff\xee")
    plain = data[:place] + data[place + 2 + int.from_bytes(data[place + 2 : place + 4], "big") :]
    for file in (data, plain):
        assert decoded(file).getpixel((8, 8)) == pytest.approx((255, 0, 0), abs=3)


def test_a_frame_of_a_gif_larger_than_its_screen_counts() -> None:
    gif = encoded("GIF", COLOURS.convert("L"))
    small = gif[:6] + struct.pack("<HH", 1, 1) + gif[10:]
    picture = Picture.of_bytes(small, max_pixels=MOST)
    assert (picture.width, picture.height) == picture.rgb().size == (32, 24)
    place = gif.index(b"," + struct.pack("<HHHH", 0, 0, 32, 24))
    far = gif[: place + 1] + struct.pack("<HHHH", 40_000, 40_000, 32, 24) + gif[place + 9 :]
    assert refusal(far).startswith("The image has 40032 x 40024 pixels; at most 1000000")
    farther = gif[: place + 1] + struct.pack("<HHHH", 65_535, 0, 32, 24) + gif[place + 9 :]
    assert "lies outside of every screen" in refusal(farther)


def test_comments_of_a_gif_are_skipped_and_bounded() -> None:
    gif = encoded("GIF", COLOURS.convert("L"))
    place = gif.index(b"," + struct.pack("<HHHH", 0, 0, 32, 24))
    comment = b"!\xfe" + (b"\xff" + b"x" * 255) * 4_000 + b"\0"
    assert decoded(gif[:place] + comment + gif[place:]).size == (32, 24)
    for much in (b"!\xfe" + b"\1x" * 100_001 + b"\0", b"!\xfe\0" * 100_001, b"!\xfe" + b"\xffx" * 10):
        assert "The image cannot be read: the GIF has " in refusal(gif[:place] + much + gif[place:])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"compression": 6}, "TIFF with compression 6 is not read"),
        ({"compression": 34712}, "TIFF with compression 34712 is not read"),
        ({"bits": 32}, "whole numbers of 1, 2, 4, 8 or 16 bits"),
        ({"bits": 12}, "whole numbers of 1, 2, 4, 8 or 16 bits"),
        ({"format": 3}, "whole numbers of 1, 2, 4, 8 or 16 bits"),
        ({"bits": 16, "photometric": 0}, "of which 0 is white"),
        ({"bits": (11, 1, b"\x08\0\0\0")}, "not of a known kind"),
        ({"bits": (3, 1000, b"\x08\0\0\0")}, "the TIFF is cut off"),
        ({"width": (4, 2, b"\x08\0\0\0")}, "the entry 256 of the TIFF is no number"),
        ({"width": (11, 1, b"\0\0\0\0")}, "the entry 256 of the TIFF is no number"),
        ({"strips": (4, 2**31, b"\x08\0\0\0")}, "the TIFF is cut off"),
        ({"tile_width": 60_000, "tile_height": 60_000}, "tiles that are too large"),
    ],
)
def test_tiffs_of_other_kinds_are_refused(changes: dict[str, Any], says: str) -> None:
    assert says in refusal(grey_tiff(**changes))


def test_entries_of_a_tiff_that_share_their_bytes_or_are_not_needed() -> None:
    body = np.asarray(decoded(grey_tiff()))[..., 0]
    assert body.tolist() == [[0, 10, 20, 30], [40, 50, 60, 70]]
    noted = grey_tiff(note=(1, 2**32 - 1, b"\x08\0\0\0"))  # an entry that is left out points anywhere
    assert np.array_equal(np.asarray(decoded(noted))[..., 0], body)
    shared = (7, 900, struct.pack("<L", 8))
    tables = {tag: shared for tag in (292, 293, 320, 347)}
    entries = {256: number(4), 257: number(2), **tables}
    assert "the entries of the TIFF overlap" in refusal(tiff(entries, b"\0" * 1000))


def test_orientations_that_do_not_exist_leave_a_tiff_upright() -> None:
    for orientation, size in ((0, (4, 2)), (6, (2, 4)), (9, (4, 2))):
        picture = Picture.of_bytes(grey_tiff(orientation=orientation), max_pixels=MOST)
        assert (picture.width, picture.height) == picture.rgb().size == size


@pytest.mark.parametrize("count", [0, 65_535])
def test_directories_of_a_tiff_that_are_empty_or_cut_off_are_refused(count: int) -> None:
    data = grey_tiff()
    assert refusal(data[:8] + struct.pack("<H", count) + data[10:]) in (
        BROKEN,
        "The image cannot be read: the TIFF does not say its size.",
    )


def test_rows_of_a_bmp_that_are_packed_may_skip_no_memory() -> None:
    head = struct.pack("<LLlHHLLLLLL", 40, 60_000, 2, 1, 8, 1, 0, 0, 0, 2, 0)
    body = b"\0\2\xff\xff" * 1_000 + b"\0\1"
    data = b"BM" + struct.pack("<LHHL", 0, 0, 0, 62) + head + b"\0" * 8 + body
    tracemalloc.start()
    assert decoded(data).size == (60_000, 2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40_000_000


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"not an image", b"<svg/>", b"%!PS-Adobe", b"II+\0" + b"\0" * 20, b"\x89PNG", b"GIF88a"]
)
def test_what_is_no_image_is_refused(data: bytes) -> None:
    known = "PNG, JPEG, WEBP, GIF, BMP, TIFF"
    assert refusal(data) == f"The medium is no image that can be read; known formats: {known}."
