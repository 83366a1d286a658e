"""Where in a prompt or an image the token of a vector is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from cenote.types import PatchGrid

__all__ = ["Place", "Places", "on_grids"]

#: The place of a token in the prompt; of a patch `[row, column]` where the prompt has one image, and
#: `[image, row, column]` where it has several images or frames, counted from 0.
Place: TypeAlias = int | list[int]
#: Of each vector, the place of its token; of merged vectors, the places of their tokens.
Places: TypeAlias = list[Place] | list[list[Place]]


def on_grids(tokens: list[int] | list[list[int]], grids: Sequence[PatchGrid]) -> Places:
    """Return the places of tokens, those of patches by row and column.

    Args:
        tokens: places in the prompt, or lists of them.
        grids: which of its tokens are patches.
    """
    patches: dict[int, Place] = {}
    for number, grid in enumerate(grids):
        head = [number] if len(grids) > 1 else []
        for patch in range(grid.rows * grid.columns):
            patches[grid.start + patch] = [*head, *divmod(patch, grid.columns)]
    whole: list[Place] = []
    merged: list[list[Place]] = []
    for token in tokens:
        if isinstance(token, int):
            whole.append(patches.get(token, token))
        else:
            merged.append([patches.get(one, one) for one in token])
    return merged or whole
