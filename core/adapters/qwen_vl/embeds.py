"""What a vision tower made of an image elsewhere, given in place of the image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from cenote.errors import InvalidRequest

__all__ = ["PreparedEmbeds"]

_NAMES = ("image_embeds", "image_grid_thw")
_PARAM = "image_embeds"
#: Rows and columns beyond which a grid is no image's; keeps products of hostile numbers small.
_MOST = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class PreparedEmbeds:
    """Rows that take the place of what the vision tower makes of an image.

    Attributes:
        rows: [tokens, width], the tower's output and then what each deepstack layer adds.
        grid: frames (1), rows and columns of patches.
    """

    #: Which placeholder stands for it.
    kind: ClassVar[str] = "image"

    rows: Tensor
    grid: tuple[int, int, int]

    @property
    def nbytes(self) -> int:
        """Return the bytes of memory that it holds."""
        return self.rows.nbytes

    @classmethod
    def of(cls, value: Any, *, width: int, merge_size: int) -> tuple[PreparedEmbeds, ...]:
        """Check what a caller gave, and return one item per image of it.

        Args:
            value: `{"image_embeds": [tokens, width], "image_grid_thw": [images, 3]}`, arrays, tensors or lists.
            width: numbers per token that the model takes.
            merge_size: patches on each side of the square that one token stands for.

        Raises:
            InvalidRequest: names, shapes or counts do not fit, or a number is not finite.
        """
        if not isinstance(value, Mapping) or set(value) != set(_NAMES):
            found = ", ".join(sorted(map(str, value))) if isinstance(value, Mapping) else type(value).__name__
            raise _wrong(f"Embeddings of images are a mapping with {' and '.join(_NAMES)}, found {found or 'nothing'}.")
        rows, grids = (_tensor(value[name], name) for name in _NAMES)
        if grids.is_floating_point() or grids.shape[-1:] != (3,) or grids.ndim > 2:
            raise _wrong("'image_grid_thw' must be rows of three whole numbers: frames, rows and columns of patches.")
        sizes = [_size(grid, merge_size) for grid in grids.reshape(-1, 3).tolist()]
        counts = [frames * high * wide // merge_size**2 for frames, high, wide in sizes]
        if rows.shape != (sum(counts), width):
            text = f"'image_embeds' has the shape {list(rows.shape)}; the model takes {[sum(counts), width]} for"
            raise _wrong(f"{text} the grids {[list(size) for size in sizes]}.")
        rows = rows.float()
        if not bool(torch.isfinite(rows).all()):
            raise _wrong("'image_embeds' has numbers that are NaN or infinite.")
        return tuple(map(cls, rows.split_with_sizes(counts), sizes))


def _wrong(text: str) -> InvalidRequest:
    return InvalidRequest(text, param=_PARAM)


def _tensor(value: Any, name: str) -> Tensor:
    try:
        return torch.as_tensor(value).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as exc:
        raise _wrong(f"{name!r} must be an array of numbers, found {type(value).__name__}.") from exc


def _size(grid: list[int], merge_size: int) -> tuple[int, int, int]:
    frames, rows, columns = grid
    sides = all(merge_size <= side <= _MOST and side % merge_size == 0 for side in (rows, columns))
    if frames != 1 or not sides:
        text = f"An image has one frame, and rows and columns of patches that are multiples of {merge_size}"
        raise _wrong(f"{text}; 'image_grid_thw' has {grid}.")
    return frames, rows, columns
