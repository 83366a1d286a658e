"""Prepare images on the host: resized and cut into patches, one byte per value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from cenote.adapters.qwen_vl.rules import ImageRules
from cenote.media import MediaCache, Picture

if TYPE_CHECKING:
    import numpy as np

    Bytes: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]

__all__ = ["PreparedImage", "patches_of", "prepare_image"]


@dataclass(frozen=True, slots=True, eq=False)
class PreparedImage:
    """An image as patches, in the order in which the model merges them.

    Attributes:
        patches: [rows * columns, 3 * patch_size ** 2] uint8, not to be changed; rescaled and repeated over time when
            the model runs.
        grid: frames (1), rows and columns of patches.
    """

    #: Which placeholder stands for it.
    kind: ClassVar[str] = "image"

    patches: Bytes
    grid: tuple[int, int, int]

    @property
    def nbytes(self) -> int:
        """Return the bytes of memory that it holds."""
        return int(self.patches.nbytes)


def prepare_image(picture: Picture, rules: ImageRules, cache: MediaCache | None = None) -> PreparedImage:
    """Resize an image to its rules and cut it into patches, or take it from a cache.

    Args:
        picture: what it shows.
        rules: of the model.
        cache: where it may be already, and is kept afterwards.

    Raises:
        InvalidRequest: it is too long and narrow, or cannot be decoded.
    """
    rows, columns = rules.fit(picture.width, picture.height)  # a wrong shape is told before anything is decoded

    def make() -> PreparedImage:
        grid = (1, rows * rules.merge_size, columns * rules.merge_size)
        return PreparedImage(_resized(picture, rules, rows, columns), grid)

    return make() if cache is None else cache.get(f"qwen_vl image {picture.digest} {rules}", make)


def _resized(picture: Picture, rules: ImageRules, rows: int, columns: int) -> Bytes:
    """Return the patches of an image that becomes so many rows and columns of tokens."""
    import numpy as np
    from PIL import Image

    size = (columns * rules.factor, rows * rules.factor)
    with picture.decoded() as image:
        resized = image.resize(size, resample=Image.Resampling.BICUBIC)
    return patches_of(np.asarray(resized)[None], rules)


def patches_of(frames: Bytes, rules: ImageRules) -> Bytes:
    """Cut frames into patches, those that become one token next to each other.

    Args:
        frames: [t, height, width, 3], sides multiples of `rules.factor`; the t frames are the layers of one patch.
        rules: of the model.

    Returns:
        [patches, 3 * t * patch_size ** 2], each patch by channel, frame, row and column.

    Source: `Qwen2VLImageProcessorPil.patchify` of transformers 5.23.
    """
    layers, height, width, channels = frames.shape
    patch, merge = rules.patch_size, rules.merge_size
    blocks = frames.reshape(
        layers, height // rules.factor, merge, patch, width // rules.factor, merge, patch, channels
    ).transpose(1, 4, 2, 5, 7, 0, 3, 6)
    return blocks.reshape(height // patch * (width // patch), channels * layers * patch**2)
