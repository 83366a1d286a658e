"""A video of a prompt: its size and length, and its frames, decoded when they are asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from cenote.errors import InvalidRequest, WrongType
from cenote.media.video import VideoFile, VideoLimits

if TYPE_CHECKING:
    import numpy as np

    Frame: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]

__all__ = ["Clip"]

#: Frames per second of frames that come without; transformers assumes as much.
_USUAL_FPS = 24.0
_PARAM = "multi_modal_data"


class Clip:
    """A video whose frames are decoded one by one, and not kept.

    Attributes:
        width: in pixels, turned as its file says.
        height: in pixels, turned as its file says.
        fps: frames per second, those between the given ones included where `given` says so.
        frames_total: how many frames there are to choose from.
        duration: in seconds.
        digest: of the content: equal clips have equal ones.
        given: where the frames were chosen already, the place of each in the whole video; else None.
    """

    __slots__ = ("_decode", "digest", "duration", "fps", "frames_total", "given", "height", "width")

    def __init__(
        self,
        *,
        size: tuple[int, int],
        fps: float,
        frames_total: int,
        digest: str,
        decode: Callable[[Sequence[int]], Iterator[Frame]],
        given: tuple[int, ...] | None = None,
    ) -> None:
        """Put a clip together; see `of_bytes` and `of_frames`."""
        self.width, self.height = size
        self.fps = fps
        self.frames_total = frames_total
        self.duration = frames_total / fps if given is None else (given[-1] + 1) / fps
        self.digest = digest
        self.given = given
        self._decode = decode

    @classmethod
    def of_bytes(cls, data: bytes, limits: VideoLimits | None = None) -> Self:
        """Read the head of an encoded video, its index and its first frame.

        Raises:
            InvalidRequest: it is no video of a known format, is broken, or is larger or longer than allowed.
            MissingDependency: the extra `video` is not installed.
        """
        file = VideoFile.of(data, limits or VideoLimits())
        return cls(
            size=file.size,
            fps=file.fps,
            frames_total=file.frames,
            digest=hashlib.sha256(data).hexdigest(),
            decode=file.decode,
        )

    @classmethod
    def of_frames(cls, frames: Any, metadata: Mapping[str, Any] | None = None) -> Self:
        """Take frames that are decoded already, which nobody may change afterwards.

        Args:
            frames: [n, height, width, 3] of uint8, or a list of arrays [height, width, 3] or of images of Pillow.
            metadata: `fps` of the whole video (24 if missing), and `frames_indices`, the places of the frames in it;
                without the latter they are the whole video. Other keys, such as vLLM's `total_num_frames`, `duration`
                and `video_backend`, say nothing that is not known from these; with `do_sample_frames` false all
                frames are taken.

        Raises:
            WrongType: frames or metadata are of another kind.
            InvalidRequest: sizes, types or counts do not fit.
        """
        array = _stacked(frames)
        fps, given = _described(metadata, len(array))
        digest = hashlib.sha256(f"{array.shape} {fps} {given}".encode())
        for frame in array:
            digest.update(frame.data if frame.flags.c_contiguous else frame.tobytes())
        return cls(
            size=(array.shape[2], array.shape[1]),
            fps=fps,
            frames_total=len(array),
            digest=digest.hexdigest(),
            decode=lambda indices: iter([array[index] for index in indices]),
            given=given,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Clip) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def frames(self, indices: Sequence[int]) -> Iterator[Frame]:
        """Decode frames one after the other, [height, width, 3] uint8 in RGB.

        Args:
            indices: ascending, from 0 to `frames_total - 1`.

        Raises:
            InvalidRequest: the video is broken, or takes longer to decode than is allowed.
        """
        return self._decode(indices)


def _stacked(frames: Any) -> Frame:
    """Return frames as one array."""
    import numpy as np

    if isinstance(frames, list | tuple):
        if not frames:
            raise InvalidRequest("A video needs frames; the list is empty.", param=_PARAM)
        frames = [frame.convert("RGB") if hasattr(frame, "convert") else frame for frame in frames]
        if len({np.shape(frame) for frame in frames}) > 1:
            raise InvalidRequest("The frames of a video must be of equal size.", param=_PARAM)
        frames = np.stack([np.asarray(frame) for frame in frames])
    if not isinstance(frames, np.ndarray):
        text = f"A video is an array or a list of frames; got {type(frames).__name__}."
        raise WrongType(text, param=_PARAM)
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or not frames.size:
        text = f"A video of numpy is uint8 [frames, height, width, 3]; got {frames.dtype} of shape"
        raise InvalidRequest(f"{text} {list(frames.shape)}.", param=_PARAM)
    return frames


def _described(metadata: Any, count: int) -> tuple[float, tuple[int, ...] | None]:
    """Return frames per second, and the places of frames that were chosen already."""
    if metadata is not None and not isinstance(metadata, Mapping):
        raise WrongType(f"Metadata of a video is a mapping, got {type(metadata).__name__}.", param=_PARAM)
    known = metadata or {}
    fps = known.get("fps")
    fps = _USUAL_FPS if fps is None else fps
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps < float("inf"):
        raise InvalidRequest(f"'fps' of a video must be a positive number, got {fps!r}.", param=_PARAM)
    places = known.get("frames_indices")
    if places is None:
        return float(fps), tuple(range(count)) if known.get("do_sample_frames") is False else None
    given = tuple(int(place) for place in places)
    if len(given) != count or list(given) != sorted(given) or given[0] < 0:
        text = "'frames_indices' of a video must be ascending places, one for each of the"
        raise InvalidRequest(f"{text} {count} frames; got {len(given)}.", param=_PARAM)
    return float(fps), given
