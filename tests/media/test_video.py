"""Videos are decoded frame by frame, upright, and hostile files are refused with a clean message."""

from __future__ import annotations

import builtins
import io
import resource
import struct
import tempfile
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from cenote.errors import InvalidRequest, MissingDependency, WrongType
from cenote.media import Clip, VideoLimits

WIDTH, HEIGHT = 64, 48


def _frame(number: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return a picture whose upper half is brighter, and that grows brighter with time."""
    picture = np.full((HEIGHT, WIDTH, 3), 8 * number % 256, np.uint8)
    picture[: HEIGHT // 2, :, 1] = 255
    return picture


def make_video(form: str = "mp4", codec: str = "libx264", count: int = 12, *, index_first: bool = False) -> bytes:
    """Encode frames at ten per second."""
    buffer = tempfile.NamedTemporaryFile()  # FFmpeg opens the file again to move its index
    options = {"movflags": "faststart"} if index_first else {}
    with buffer, av.open(buffer.name, "w", format=form, options=options) as container:
        stream: Any = container.add_stream(codec, rate=10)
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        for number in range(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(_frame(number), format="rgb24")))
        container.mux(stream.encode())
        container.close()
        return Path(buffer.name).read_bytes()


def make_sound() -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream: Any = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return buffer.getvalue()


def turned(video: bytes, *matrix: int) -> bytes:
    """Write a display matrix into an MP4 file."""
    start = video.index(b"tkhd") + 4 + 40
    assert struct.unpack(">i", video[start : start + 4]) == (1 << 16,)
    a, b, c, d = (value << 16 for value in matrix)
    return video[:start] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + video[start + 36 :]


@pytest.mark.parametrize(
    ("form", "codec"),
    [
        ("mp4", "libx264"),
        ("mov", "mpeg4"),
        ("webm", "libvpx"),
        ("webm", "libvpx-vp9"),
        ("matroska", "libx264"),
        ("avi", "mpeg4"),
        ("gif", "gif"),
    ],
)
def test_frames_of_every_format_are_those_that_were_asked_for(form: str, codec: str) -> None:
    clip = Clip.of_bytes(make_video(form, codec))
    assert (clip.width, clip.height, clip.fps, clip.frames_total, clip.duration) == (WIDTH, HEIGHT, 10.0, 12, 1.2)
    found = list(clip.frames([0, 5, 11]))
    for frame, number in zip(found, (0, 5, 11), strict=True):
        assert frame.shape == (HEIGHT, WIDTH, 3)
        tolerance = 40 if codec == "gif" else 12  # GIF has eight reds
        assert abs(float(frame[..., 0].mean()) - 8 * number) <= tolerance
        assert frame[4:20, :, 1].min() > 200


@pytest.mark.parametrize(
    ("matrix", "bright"),
    [((0, 1, -1, 0), "right"), ((-1, 0, 0, -1), "lower"), ((0, -1, 1, 0), "left")],
    ids=["quarter", "half", "three quarters"],
)
def test_frames_are_turned_as_the_file_says(matrix: tuple[int, ...], bright: str) -> None:
    clip = Clip.of_bytes(turned(make_video(), *matrix))
    (frame,) = clip.frames([3])
    assert frame.shape[:2] == (clip.height, clip.width)
    assert (clip.width, clip.height) == ((WIDTH, HEIGHT) if bright == "lower" else (HEIGHT, WIDTH))
    halves = {
        "lower": frame[clip.height // 2 + 4 :],
        "left": frame[:, : clip.width // 2 - 4],
        "right": frame[:, clip.width // 2 + 4 :],
    }
    assert halves[bright][..., 1].min() > 200


def test_equal_files_have_equal_digests_and_others_do_not() -> None:
    video = make_video()
    assert Clip.of_bytes(video) == Clip.of_bytes(video)
    assert len({Clip.of_bytes(video), Clip.of_bytes(video), Clip.of_bytes(make_video(count=11))}) == 2


def _garbled(video: bytes) -> bytes:
    """Destroy the coded pictures of a file, and leave its index."""
    start, end = video.index(b"mdat") + 4, video.index(b"moov") - 4
    return video[:start] + bytes(value ^ 0x5A for value in video[start:end]) + video[end:]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no video that can be read"),
        (b"no video at all" * 100, "no video that can be read"),
        (b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n", "no video that can be read"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "no video that can be read"),
        (make_video("mpegts", "libx264"), "known formats: MP4"),
        (make_video()[:1500], "no video that can be read"),
        (make_video(count=30, index_first=True)[:-5], "truncated"),
        (make_video(count=30, index_first=True)[:2000], "truncated"),
        (make_video("webm", "libvpx", count=60)[:2000], "truncated"),
        (make_sound(), "no track of pictures"),
        (make_video("avi", "wmv2"), "coded as wmv2"),
        (_garbled(make_video()), "truncated, broken"),
    ],
    ids=[
        "empty",
        "text",
        "playlist",
        "list of files",
        "other container",
        "without its index",
        "index first and five bytes cut off",
        "index first and cut off",
        "stream cut off",
        "only sound",
        "other coding",
        "garbled",
    ],
)
def test_a_hostile_file_is_refused_with_a_clean_message(data: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message) as caught:
        list(Clip.of_bytes(data).frames([0, 1]))
    assert "/etc" not in str(caught.value)


def test_sizes_beyond_the_limit_are_refused_before_decoding() -> None:
    with pytest.raises(InvalidRequest, match="64 x 48 pixels; at most 3071"):
        Clip.of_bytes(make_video(), VideoLimits(max_pixels=WIDTH * HEIGHT - 1))


def _claiming(video: bytes, before: bytes, size: int) -> bytes:
    """Write another width and height behind a mark of a file."""
    place = video.index(before) + len(before)
    assert struct.unpack("<2H", video[place : place + 4]) == (WIDTH, HEIGHT)
    return video[:place] + struct.pack("<2H", size, size) + video[place + 4 :]


@pytest.mark.parametrize(
    "data",
    [
        _claiming(make_video("gif", "gif", 2), b"GIF89a", 40_000),
        _claiming(make_video("webm", "libvpx", 2), b"\x9d\x01\x2a", 16_383),
    ],
    ids=["GIF", "VP8"],
)
def test_a_small_file_that_claims_to_be_huge_takes_no_memory(data: bytes) -> None:
    assert len(data) < 2000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InvalidRequest, match="too large"):
        Clip.of_bytes(data)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024  # KiB


def test_longer_videos_than_allowed_are_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"longer than the 1 seconds"):
        Clip.of_bytes(make_video(), VideoLimits(max_seconds=1))


def test_decoding_ends_when_its_time_is_up() -> None:
    with pytest.raises(InvalidRequest, match="takes longer"):
        Clip.of_bytes(make_video(), VideoLimits(timeout=0.0))
    clip = Clip.of_bytes(make_video(count=40), VideoLimits(timeout=0.5))
    frames = clip.frames(range(40))
    next(frames)
    time.sleep(0.6)
    with pytest.raises(InvalidRequest, match="takes longer"):
        list(frames)


def test_frames_are_not_kept_in_memory() -> None:
    clip = Clip.of_bytes(make_video())
    frames = clip.frames([0, 1])
    assert not isinstance(frames, list)
    assert next(frames).shape == next(frames).shape


def test_without_pyav_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    video, own = make_video(), builtins.__import__

    def without_av(name: str, *others: Any) -> Any:
        if name == "av":
            raise ImportError(name)
        return own(name, *others)

    monkeypatch.setattr(builtins, "__import__", without_av)
    with pytest.raises(MissingDependency, match=r"pip install cenote\[video\]"):
        Clip.of_bytes(video)


def test_frames_that_are_decoded_already_are_taken_as_they_are() -> None:
    array = np.stack([_frame(number) for number in range(6)])
    clip = Clip.of_frames(array)
    assert (clip.width, clip.height, clip.fps, clip.frames_total, clip.given) == (WIDTH, HEIGHT, 24.0, 6, None)
    assert clip.duration == 0.25
    (frame,) = clip.frames([4])
    assert (frame == array[4]).all()
    images = [Image.fromarray(picture) for picture in array]
    assert Clip.of_frames(images) == clip == Clip.of_frames(list(array))
    assert Clip.of_frames(array, {"fps": 2}) != clip != Clip.of_frames(array[::-1])


def test_frames_that_were_chosen_before_keep_their_places() -> None:
    array = np.stack([_frame(number) for number in range(3)])
    metadata = {"fps": 10.0, "frames_indices": [0, 10, 29], "total_num_frames": 30, "duration": 3.0}
    clip = Clip.of_frames(array, metadata)
    assert (clip.given, clip.frames_total, clip.duration) == ((0, 10, 29), 3, 3.0)
    assert Clip.of_frames(array, {"do_sample_frames": False}).given == (0, 1, 2)


@pytest.mark.parametrize(
    ("frames", "metadata", "error"),
    [
        ([], None, InvalidRequest),
        (np.zeros((0, 4, 4, 3), np.uint8), None, InvalidRequest),
        (np.zeros((2, 4, 4, 3), np.float32), None, InvalidRequest),
        (np.zeros((4, 4, 3), np.uint8), None, InvalidRequest),
        ([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)], None, InvalidRequest),
        ("video.mp4", None, WrongType),
        (np.zeros((2, 4, 4, 3), np.uint8), [2.0], WrongType),
        (np.zeros((2, 4, 4, 3), np.uint8), {"fps": 0}, InvalidRequest),
        (np.zeros((2, 4, 4, 3), np.uint8), {"fps": "fast"}, InvalidRequest),
        (np.zeros((2, 4, 4, 3), np.uint8), {"frames_indices": [0]}, InvalidRequest),
        (np.zeros((2, 4, 4, 3), np.uint8), {"frames_indices": [3, 1]}, InvalidRequest),
    ],
)
def test_frames_of_another_kind_are_refused(frames: Any, metadata: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        Clip.of_frames(frames, metadata)
