"""Where tokens stand for the rotary embeddings of Qwen-VL: in time, and for patches in height and width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from cenote.types import PatchGrid

if TYPE_CHECKING:
    import numpy as np

    Positions: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

__all__ = ["rope_positions"]


def rope_positions(length: int, grids: Sequence[PatchGrid]) -> Positions:
    """Return the positions of a sequence's tokens in time, height and width, [3, length].

    Words count on by one in all three. The patches of a rectangle share one place in time and count rows and columns
    from there; what follows goes on beyond its longer side.

    Args:
        length: tokens of the sequence.
        grids: its rectangles of patches, in their order; a video has one per frame.

    Source: `get_rope_index` of transformers 5.23, Qwen3-VL.
    """
    import numpy as np

    positions = np.empty((3, length), dtype=np.int64)
    place, position = 0, 0
    for grid in grids:
        positions[:, place : grid.start] = np.arange(position, position + grid.start - place)
        position += grid.start - place
        place = grid.start + grid.rows * grid.columns
        patches = positions[:, grid.start : place].reshape(3, grid.rows, grid.columns)
        patches[0] = position
        patches[1] = position + np.arange(grid.rows)[:, None]
        patches[2] = position + np.arange(grid.columns)
        positions[:, grid.start : place] = patches.reshape(3, -1)
        position += max(grid.rows, grid.columns)
    positions[:, place:] = np.arange(position, position + length - place)
    return positions
