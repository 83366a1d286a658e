"""How Qwen's vision models want a video: which frames of it, and their size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from cenote.adapters.qwen_vl.rules import ImageRules, rescale_factor
from cenote.adapters.qwen_vl.settings import Settings, read_settings, size_limits
from cenote.checkpoints import Checkpoint
from cenote.errors import CheckpointError, InvalidRequest
from cenote.media import Clip

__all__ = ["VIDEO_OPTIONS", "VideoPlan", "VideoRules"]

#: What `mm_processor_kwargs` may set for videos alone.
VIDEO_OPTIONS = ("fps", "min_frames", "max_frames", "min_video_pixels", "max_video_pixels")
_PARAM = "mm_processor_kwargs"
#: Longer side divided by the shorter one; transformers refuses what is beyond it.
_MOST_UNEVEN = 200
#: Frames per second, and least and most frames, where the files do not say, as in transformers' class.
_SAMPLING = {"fps": 2, "min_frames": 4, "max_frames": 768}
#: Tokens of a frame where the files cap frames and do not say at how many, as in transformers' class.
_FRAME_TOKENS = 768


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoPlan:
    """What becomes of a video.

    Attributes:
        indices: frames that are decoded, ascending, by their places in the clip.
        rows: of tokens of a frame.
        columns: of tokens of a frame.
        moments: what is written in front of each frame that the model sees, one for two frames of the clip: the time
            between them, such as `<0.5 seconds>`.
    """

    indices: tuple[int, ...]
    rows: int
    columns: int
    moments: tuple[str, ...]

    @property
    def tokens(self) -> tuple[int, ...]:
        """Return the tokens of each frame that the model sees."""
        return (self.rows * self.columns,) * len(self.moments)


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRules:
    """The settings of a video processor of the Qwen3-VL kind.

    Attributes:
        images: of the same model; sizes of patches and scales of values are the same.
        min_pixels: area of all frames together that smaller videos are enlarged to.
        max_pixels: area of all frames together that larger videos are reduced to.
        fps: frames per second that are looked at.
        min_frames: frames that are looked at, if there are so many.
        max_frames: frames that are looked at at most.
        frame_tokens: most tokens of a frame, where frames are capped by themselves.
    """

    images: ImageRules
    min_pixels: int
    max_pixels: int
    fps: float
    min_frames: int
    max_frames: int
    frame_tokens: int | None = None

    @classmethod
    def of(cls, checkpoint: Checkpoint, kwargs: Mapping[str, Any], images: ImageRules) -> Self:
        """Read the rules of a checkpoint.

        Args:
            checkpoint: with `video_preprocessor_config.json`, or `processor_config.json` with a `video_processor`.
            kwargs: `mm_processor_kwargs` of the user, of which `VIDEO_OPTIONS` have the last word here.
            images: how the model wants images.

        Raises:
            CheckpointError: the files are missing, for another kind of processor, or differ from those of images.
            InvalidRequest: `kwargs` has impossible values.
        """
        settings = read_settings(checkpoint, "video")
        _check_patches(settings, images)
        least, most = size_limits(settings)
        sampling = {name: kwargs.get(name, settings.values.get(name)) for name in _SAMPLING}
        found = {name: _SAMPLING[name] if value is None else value for name, value in sampling.items()}
        found["min_pixels"] = kwargs.get("min_video_pixels", least)
        found["max_pixels"] = kwargs.get("max_video_pixels", most)
        if settings.values.get("cap_pixels_per_frame"):
            found["frame_tokens"] = settings.values.get("max_video_tokens", _FRAME_TOKENS)
        for name, value in found.items():
            is_number = isinstance(value, int | float if name == "fps" else int) and not isinstance(value, bool)
            if not is_number or not 0 < value < math.inf:
                text = f"{name!r} of videos must be a positive number, found {value!r}."
                raise InvalidRequest(text, param=_PARAM) if kwargs else CheckpointError(f"{settings.source}: {text}")
        return cls(images=images, **found)

    def plan(self, clip: Clip) -> VideoPlan:
        """Choose frames of a clip, and their size.

        Raises:
            InvalidRequest: it has a single frame, or is too long and narrow.

        Source: `sample_frames` of `Qwen3VLVideoProcessor` and `_calculate_timestamps` of `Qwen3VLProcessor` in
        transformers 5.23.
        """
        indices = self._chosen(clip)
        if len(indices) < self.images.temporal_patch_size:
            raise InvalidRequest("The video has a single frame, which shows no motion. Send it as an image.")
        rows, columns = self._fit(len(indices), clip.width, clip.height)
        places = indices if clip.given is None else clip.given
        return VideoPlan(indices=indices, rows=rows, columns=columns, moments=self._moments(places, clip.fps))

    def _chosen(self, clip: Clip) -> tuple[int, ...]:
        """Return the places of frames, spread evenly."""
        import numpy as np

        total = clip.frames_total
        if clip.given is not None:
            return tuple(range(total))
        count = min(max(int(total / clip.fps * self.fps), self.min_frames), self.max_frames, total)
        return tuple(np.linspace(0, total - 1, count).round().astype(int).tolist())

    def _moments(self, places: Sequence[int], fps: float) -> tuple[str, ...]:
        """Return the time in the middle of the frames that one patch covers."""
        step = self.images.temporal_patch_size
        padded = [*places, *[places[-1]] * (-len(places) % step)]
        times = [place / fps for place in padded]
        return tuple(f"<{(times[at] + times[at + step - 1]) / 2:.1f} seconds>" for at in range(0, len(times), step))

    def _fit(self, frames: int, width: int, height: int) -> tuple[int, int]:
        """Return the rows and columns of tokens of each frame.

        Source: `smart_resize` of transformers' Qwen3-VL video processor, with Python's rounding of halves to even
        numbers.
        """
        factor = self.images.factor
        if min(height, width) < factor:
            scale = max(factor / height, factor / width)
            height, width = int(height * scale), int(width * scale)
        if max(width, height) > _MOST_UNEVEN * min(width, height):
            raise InvalidRequest(
                f"The video has {width} x {height} pixels; one side may be at most {_MOST_UNEVEN} times as long as the "
                "other."
            )
        most, step = self._most(frames), self.images.temporal_patch_size
        rows, columns = round(height / factor), round(width / factor)
        area = round(frames / step) * step * rows * columns * factor**2
        if area > most:
            shrink = math.sqrt((frames * height * width) / most)
            return max(1, math.floor(height / shrink / factor)), max(1, math.floor(width / shrink / factor))
        if area < self.min_pixels:
            grow = math.sqrt(self.min_pixels / (frames * height * width))
            return math.ceil(height * grow / factor), math.ceil(width * grow / factor)
        return rows, columns

    def _most(self, frames: int) -> int:
        """Return the largest area of all frames together.

        Source: `Qwen3VLVideoProcessor.resize` for frames that are capped by themselves.
        """
        if self.frame_tokens is None:
            return self.max_pixels
        share = min(self.frame_tokens * self.images.factor**2, self.max_pixels // frames)
        return max(share, int(self.min_pixels * 1.05)) * frames


def _check_patches(settings: Settings, images: ImageRules) -> None:
    """Check that patches of videos are those of images, which one vision tower reads.

    Raises:
        CheckpointError: they are not, or frames are chosen in another way.
    """
    settings.expect("do_sample_frames", True)
    settings.expect("num_frames", None)
    found = (
        settings.whole("patch_size"),
        settings.whole("merge_size", "spatial_merge_size"),
        settings.whole("temporal_patch_size"),
        settings.channels("image_mean"),
        settings.channels("image_std"),
        rescale_factor(settings),
    )
    wanted = (
        *(images.patch_size, images.merge_size, images.temporal_patch_size),
        *(images.mean, images.std, images.rescale),
    )
    if found != wanted:
        text = f"{settings.source} describes other patches or values than the settings of images do"
        raise CheckpointError(f"{text}: {found} and {wanted}. One of the files belongs to another model.")
