"""Prepare videos on the host: frames chosen, resized and cut into patches of two, one byte per value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from cenote.adapters.qwen_vl.images import patches_of
from cenote.adapters.qwen_vl.video_rules import VideoPlan, VideoRules
from cenote.media import Clip, MediaCache

if TYPE_CHECKING:
    import numpy as np

    Bytes: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]

__all__ = ["PreparedVideo", "prepare_video"]


@dataclass(frozen=True, slots=True, eq=False)
class PreparedVideo:
    """A video as patches, in the order in which the model merges them.

    Attributes:
        patches: [frames * rows * columns, 3 * temporal_patch_size * patch_size ** 2] uint8, not to be changed.
        grid: frames that the model sees (each made of `temporal_patch_size` of the video), rows and columns of patches.
    """

    #: Which placeholder stands for it.
    kind: ClassVar[str] = "video"

    patches: Bytes
    grid: tuple[int, int, int]

    @property
    def nbytes(self) -> int:
        """Return the bytes of memory that it holds."""
        return int(self.patches.nbytes)


def prepare_video(clip: Clip, rules: VideoRules, cache: MediaCache | None = None) -> PreparedVideo:
    """Decode the frames of a clip that its rules choose and cut them into patches, or take it from a cache.

    Args:
        clip: what it shows.
        rules: of the model.
        cache: where it may be already, and is kept afterwards.

    Raises:
        InvalidRequest: it has a single frame, is too long and narrow, or cannot be decoded.
    """
    plan = rules.plan(clip)  # a wrong shape is told before anything is decoded
    return (
        _prepared(clip, rules, plan)
        if cache is None
        else cache.get(f"qwen_vl video {clip.digest} {rules}", lambda: _prepared(clip, rules, plan))
    )


def _prepared(clip: Clip, rules: VideoRules, plan: VideoPlan) -> PreparedVideo:
    """Decode a video; of its frames in their own size, one is held at a time."""
    import numpy as np

    images = rules.images
    grid = (len(plan.moments), plan.rows * images.merge_size, plan.columns * images.merge_size)
    size = (plan.rows * images.factor, plan.columns * images.factor)
    each = grid[1] * grid[2]
    patches = np.empty((grid[0] * each, 3 * images.temporal_patch_size * images.patch_size**2), np.uint8)
    group: list[Bytes] = []
    done = 0
    for number, frame in enumerate(clip.frames(plan.indices), start=1):
        group.append(_resized(frame, size))
        if number == len(plan.indices):  # the last one fills the last group
            group.extend(group[-1:] * (images.temporal_patch_size - len(group)))
        if len(group) == images.temporal_patch_size:
            patches[done : done + each] = patches_of(np.stack(group), images)
            done += each
            group.clear()
    return PreparedVideo(patches, grid)


def _resized(frame: Bytes, size: tuple[int, int]) -> Bytes:
    """Return a frame [height, width, 3] of another height and width.

    By torch's filter for bytes, which is what transformers' video processors call through torchvision, whatever the
    memory layout; Pillow's differs by up to two levels.
    """
    import numpy as np
    import torch

    pixels = torch.from_numpy(np.array(frame)).permute(2, 0, 1)[None]  # torch takes no mirrored or read-only memory
    resized = torch.nn.functional.interpolate(pixels, size, mode="bicubic", antialias=True)
    found: Bytes = resized[0].permute(1, 2, 0).numpy()
    return found
