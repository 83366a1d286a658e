"""How Qwen's vision models want an image: its size, its patches and the scale of its values."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self

from cenote.adapters.qwen_vl.settings import Settings, read_settings, size_limits
from cenote.checkpoints import Checkpoint
from cenote.errors import CheckpointError, InvalidRequest

__all__ = ["ImageRules", "rescale_factor"]

_PARAM = "mm_processor_kwargs"
#: What `mm_processor_kwargs` may set.
_OPTIONS = ("min_pixels", "max_pixels", "size", "max_num_visual_tokens")
#: Longer side divided by the shorter one; transformers refuses what is beyond it.
_MOST_UNEVEN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRules:
    """The settings of an image processor of the Qwen2-VL kind.

    Attributes:
        patch_size: side of a patch, in pixels.
        merge_size: patches on each side of the square that becomes one token.
        temporal_patch_size: frames of a patch; an image is repeated so often.
        min_pixels: area that smaller images are enlarged to.
        max_pixels: area that larger images are reduced to.
        mean: per channel, taken off the values.
        std: per channel, divided by afterwards.
        rescale: factor on the bytes, before that.
    """

    patch_size: int
    merge_size: int
    temporal_patch_size: int
    min_pixels: int
    max_pixels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    rescale: float = 1 / 255

    @classmethod
    def of(
        cls,
        checkpoint: Checkpoint,
        kwargs: Mapping[str, Any],
        cap_tokens: int | None = None,
        *,
        others: Collection[str] = (),
    ) -> Self:
        """Read the rules of a checkpoint.

        Args:
            checkpoint: with `preprocessor_config.json`, or `processor_config.json` that holds an `image_processor`.
            kwargs: `mm_processor_kwargs` of the user, which have the last word.
            cap_tokens: most tokens of an image, in place of what the files say.
            others: names in `kwargs` that are for somebody else, such as settings of videos.

        Raises:
            CheckpointError: the files are missing, for another kind of image processor, or contradict `config.json`.
            InvalidRequest: `kwargs` has unknown names or impossible values.
        """
        settings = read_settings(checkpoint, "image")
        patch, merge = settings.whole("patch_size"), settings.whole("merge_size", "spatial_merge_size")
        least, most = size_limits(settings)
        if cap_tokens is not None:
            most = cap_tokens * (patch * merge) ** 2
        least, most = _overridden(kwargs, others, least, most, (patch * merge) ** 2)
        if not 0 < least <= most:
            text = f"Images would have at least {least} and at most {most} pixels; these limits leave no size."
            raise InvalidRequest(text, param=_PARAM) if kwargs else CheckpointError(f"{settings.source}: {text}")
        return cls(
            patch_size=patch,
            merge_size=merge,
            temporal_patch_size=settings.whole("temporal_patch_size"),
            min_pixels=least,
            max_pixels=most,
            mean=settings.channels("image_mean"),
            std=settings.channels("image_std"),
            rescale=rescale_factor(settings),
        )

    @property
    def factor(self) -> int:
        """Return the side of the square that becomes one token, in pixels."""
        return self.patch_size * self.merge_size

    def fit(self, width: int, height: int) -> tuple[int, int]:
        """Return the rows and columns of tokens that an image of this size in pixels becomes.

        Raises:
            InvalidRequest: it is too long and narrow.

        Source: `smart_resize` of transformers' Qwen2-VL, with Python's rounding of halves to even numbers.
        """
        if max(width, height) > _MOST_UNEVEN * min(width, height):
            raise InvalidRequest(
                f"The image has {width} x {height} pixels; one side may be at most {_MOST_UNEVEN} times as long as the "
                "other. Cut it into parts."
            )
        factor = self.factor
        rows, columns = round(height / factor), round(width / factor)
        area = rows * columns * factor**2
        if area > self.max_pixels:
            shrink = math.sqrt((height * width) / self.max_pixels)
            return max(1, math.floor(height / shrink / factor)), max(1, math.floor(width / shrink / factor))
        if area < self.min_pixels:
            grow = math.sqrt(self.min_pixels / (height * width))
            return math.ceil(height * grow / factor), math.ceil(width * grow / factor)
        return rows, columns


def _overridden(
    kwargs: Mapping[str, Any], others: Collection[str], least: int, most: int, token: int
) -> tuple[int, int]:
    """Return the limits in pixels with the user's in place of the given ones; `token` is the area of one."""
    unknown = sorted(set(kwargs) - set(_OPTIONS) - set(others))
    if unknown:
        text = f"{_PARAM} has {unknown[0]!r}, which is unknown; it may have {', '.join((*_OPTIONS, *others))}."
        raise InvalidRequest(text, param=_PARAM)
    size = kwargs.get("size", {})
    if not isinstance(size, Mapping) or not set(size) <= {"shortest_edge", "longest_edge"}:
        text = f"{_PARAM}: 'size' must be like {{'shortest_edge': 65536, 'longest_edge': 1310720}}, in pixels of area."
        raise InvalidRequest(text, param=_PARAM)
    least = _positive(kwargs.get("min_pixels", size.get("shortest_edge", least)), "min_pixels")
    most = _positive(kwargs.get("max_pixels", size.get("longest_edge", most)), "max_pixels")
    if "max_num_visual_tokens" in kwargs:
        most = _positive(kwargs["max_num_visual_tokens"], "max_num_visual_tokens") * token
    return least, most


def _positive(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidRequest(f"{_PARAM}: {name!r} must be a whole number from 1 up, got {value!r}.", param=_PARAM)
    return value


def rescale_factor(settings: Settings) -> float:
    """Return the factor on the bytes, after checking that the files ask for the usual steps.

    Raises:
        CheckpointError: they ask for others.
    """
    for name in ("do_resize", "do_rescale", "do_normalize"):
        settings.expect(name, True)
    settings.expect("resample", 3)  # bicubic, as Pillow counts
    value = settings.values.get("rescale_factor", 1 / 255)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise CheckpointError(f"{settings.source}: 'rescale_factor' must be a positive number, found {value!r}.")
    return float(value)
