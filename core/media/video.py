"""Decode videos with PyAV, from memory only, and no further than an operator allows."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from cenote.errors import CenoteError, InvalidRequest, MissingDependency
from cenote.media.budget import PixelBudget

if TYPE_CHECKING:
    import numpy as np

    from cenote.config import EngineConfig

    Frame: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]

__all__ = ["VideoFile", "VideoLimits"]

#: Containers by the names of FFmpeg, which knows playlists and lists of other files as well.
_CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif"
_FORMATS = "MP4, MOV, WebM, Matroska, AVI and GIF"
#: Decoders by their names in FFmpeg; it has hundreds, many of them rarely looked at.
_DECODERS = frozenset(
    ("h264", "hevc", "vp8", "libvpx", "vp9", "libvpx-vp9", "av1", "libdav1d", "mpeg4", "mjpeg", "gif", "mpeg2video")
)
#: Pixels of a frame at the highest levels of H.264 and HEVC (6.2); what has more is no video.
_LARGEST = 35_651_584
#: A decoder keeps up to 16 frames, 800 MB of the largest: one video of such is decoded at a time, or many smaller ones.
_DECODING = PixelBudget(_LARGEST)
_MOST_STREAMS = 32
_MOST_PACKETS = 1 << 20
#: Seconds by which a file may end before the length that it states, beside a tenth of it.
_SLACK = 1.0
#: Share of the frames that may show nothing; VP8 has such.
_HIDDEN = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoLimits:
    """What the operator allows of one video.

    Attributes:
        max_pixels: of one frame.
        max_seconds: duration.
        timeout: seconds that reading it, and then decoding it, may take.
    """

    max_pixels: int = _LARGEST
    max_seconds: float = 3600.0
    timeout: float = 60.0

    @classmethod
    def of(cls, config: EngineConfig) -> VideoLimits:
        """Return what the options of an engine allow."""
        return cls(
            max_pixels=min(config.max_image_pixels, _LARGEST),
            max_seconds=config.max_video_seconds,
            timeout=config.video_timeout,
        )


@dataclass(frozen=True, slots=True)
class VideoFile:
    """An encoded video that was looked through once.

    Attributes:
        data: the file.
        limits: what is allowed of it.
        size: width and height of a frame, turned.
        turns: quarter turns against the clock that show it upright.
        fps: frames per second, on average.
        frames: how many it has.
    """

    data: bytes
    limits: VideoLimits
    size: tuple[int, int]
    turns: int
    fps: float
    frames: int

    @classmethod
    def of(cls, data: bytes, limits: VideoLimits) -> VideoFile:
        """Count the frames of a video, and decode the first one.

        Raises:
            InvalidRequest: it is no video of a known format, is broken, or is larger or longer than allowed.
            MissingDependency: PyAV is not installed.
        """
        with _opened(data, limits) as (container, stream):
            count, seconds = _counted(container, stream, limits)
        with _opened(data, limits) as (container, stream):
            first = next(_frames(container, stream, limits), None)
            if first is None:
                raise InvalidRequest("The video has no frame that can be decoded.")
            rate = stream.average_rate or (count / seconds if seconds else 0)
            turns = round(first.rotation / 90) % 4
            size = (first.height, first.width) if turns % 2 else (first.width, first.height)
        return cls(data, limits, size, turns, float(rate) or 1.0, count)

    def decode(self, indices: Sequence[int]) -> Iterator[Frame]:
        """Yield frames in RGB, upright; a place behind the last frame that shows something gives that one.

        Raises:
            InvalidRequest: the video is broken, or takes too long.
        """
        import numpy as np

        waiting = iter(indices)
        wanted = next(waiting, None)
        last: Any = None
        number = 0
        with _opened(self.data, self.limits) as (container, stream):
            stream.thread_type = "AUTO"
            stream.codec_context.thread_count = 2
            for last in _frames(container, stream, self.limits):
                while wanted == number:
                    yield np.rot90(last.to_ndarray(format="rgb24"), self.turns)
                    wanted = next(waiting, None)
                if wanted is None:
                    return
                number += 1
            if last is None or number < (1 - _HIDDEN) * self.frames:
                raise InvalidRequest(f"Only {number} of the {self.frames} frames of the video can be decoded.")
            while wanted is not None:
                yield np.rot90(last.to_ndarray(format="rgb24"), self.turns)
                wanted = next(waiting, None)


@contextmanager
def _opened(data: bytes, limits: VideoLimits) -> Iterator[tuple[Any, Any]]:
    """Open a video; what FFmpeg says against it becomes an error that is safe to show.

    Raises:
        InvalidRequest: it is not allowed or broken.
        MissingDependency: PyAV is not installed.
    """
    try:
        import av
    except ImportError as exc:
        text = "Reading videos needs PyAV, which is not installed: pip install cenote[video]"
        raise MissingDependency(text) from exc
    # Reads from memory only: playlists are no known container, and other files than this one have no protocol.
    options = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "none", "max_streams": str(_MOST_STREAMS)}
    try:
        container = av.open(io.BytesIO(data), options=options, metadata_errors="replace")
    except (av.FFmpegError, ValueError) as exc:
        text = "The medium is no video that can be read, or is cut off"
        raise InvalidRequest(f"{text}; known formats: {_FORMATS}.") from exc
    try:
        with container:
            yield container, _stream(container, limits)
    except (av.FFmpegError, ValueError) as exc:
        if isinstance(exc, CenoteError):
            raise
        raise InvalidRequest("The video is truncated, broken or too large, and cannot be decoded.") from exc


def _stream(container: Any, limits: VideoLimits) -> Any:
    """Return the first track of pictures that is no cover, ready to be decoded.

    Raises:
        InvalidRequest: there is none, or its coding or size is not allowed.
    """
    from av.stream import Disposition

    tracks = [track for track in container.streams.video if not track.disposition & Disposition.attached_pic]
    if not tracks:
        raise InvalidRequest("The medium has no track of pictures; send a video.")
    stream = tracks[0]
    codec = stream.codec_context
    if codec is None or codec.name not in _DECODERS:
        found = "unknown" if codec is None else codec.name
        text = f"The video is coded as {found}, which is not decoded here; send H.264, HEVC, VP8, VP9 or AV1."
        raise InvalidRequest(text)
    if codec.width * codec.height > limits.max_pixels:
        text = f"The video has {codec.width} x {codec.height} pixels; at most {limits.max_pixels} are decoded."
        raise InvalidRequest(f"{text} Send a smaller one.")
    codec.options = {"max_pixels": str(limits.max_pixels)}  # of frames that are larger than the head says
    return stream


def _counted(container: Any, stream: Any, limits: VideoLimits) -> tuple[int, float]:
    """Return the coded frames of a track, and its length in seconds, by reading the file once without decoding it.

    Raises:
        InvalidRequest: it is too long, takes too long to read, or ends before it says.
    """
    deadline = time.monotonic() + limits.timeout
    count, packets, begin, end, reached = 0, 0, None, 0.0, 0.0
    for packet in container.demux():
        packets += 1
        _check_time(deadline)
        if packet.pts is None or not packet.size:
            continue
        start = float(packet.pts * packet.time_base)
        stop = start + float((packet.duration or 0) * packet.time_base)
        reached = max(reached, stop)
        if packet.is_corrupt:
            raise _truncated()
        if packet.stream_index == stream.index:
            count += 1
            begin = start if begin is None else min(begin, start)
            end = max(end, stop)
        seconds = end - (begin or 0.0)
        if seconds > limits.max_seconds or packets > _MOST_PACKETS:
            raise InvalidRequest(f"The video is longer than the {limits.max_seconds:g} seconds that are allowed.")
    stated = float(container.duration or 0) / 1e6
    if not count or count < (1 - _HIDDEN) * stream.frames or reached < 0.9 * stated - _SLACK:
        raise _truncated()
    return count, end - (begin or 0.0)


def _truncated() -> InvalidRequest:
    return InvalidRequest("The video ends before the length that it states: it is truncated.")


def _frames(container: Any, stream: Any, limits: VideoLimits) -> Iterator[Any]:
    """Yield the frames of a track in the order in which they are shown.

    Raises:
        InvalidRequest: it takes too long; what the caller does with the frames counts as well.
    """
    codec = stream.codec_context
    with _DECODING.hold(codec.width * codec.height or limits.max_pixels):  # GIF does not say before it is decoded
        deadline = time.monotonic() + limits.timeout
        for packet in container.demux(stream):
            _check_time(deadline)
            yield from packet.decode()


def _check_time(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise InvalidRequest("The video takes longer to decode than is allowed here; send a shorter or smaller one.")
