"""The tokens of a prompt that stand for patches of images and videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cenote.errors import InvalidRequest
from cenote.types import PatchGrid

__all__ = ["Visual", "VisualTokens", "expand_placeholders", "patch_grids"]


class Visual(Protocol):
    """A medium that is prepared."""

    @property
    def kind(self) -> str:
        """Return whether the placeholders of an `image` or a `video` stand for it."""

    @property
    def grid(self) -> tuple[int, int, int]:
        """Return its frames, and the rows and columns of patches of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VisualTokens:
    """Ids of placeholders.

    Attributes:
        image: stands for a patch of an image.
        video: stands for a patch of a video's frame.
        merge_size: patches on each side of the square that one token stands for.
    """

    image: int
    video: int
    merge_size: int

    def of(self, kind: str) -> int:
        """Return the id that stands for a medium of this kind."""
        return self.video if kind == "video" else self.image

    def places(self, ids: Sequence[int]) -> tuple[int, ...]:
        """Return where placeholders stand."""
        return tuple(place for place, token in enumerate(ids) if token in (self.image, self.video))

    def size(self, medium: Visual) -> tuple[int, int]:
        """Return the rows and columns of tokens of each frame of a medium."""
        _, rows, columns = medium.grid
        return rows // self.merge_size, columns // self.merge_size

    def count(self, medium: Visual) -> int:
        """Return how many tokens stand for a medium."""
        rows, columns = self.size(medium)
        return medium.grid[0] * rows * columns


def expand_placeholders(ids: Sequence[int], counts: Mapping[int, Sequence[int]]) -> tuple[int, ...]:
    """Repeat each placeholder as often as its medium has tokens.

    Args:
        ids: of a prompt with one placeholder per medium.
        counts: per placeholder, the numbers of tokens of its media in their order; one that has no media is given
            with an empty list.

    Raises:
        InvalidRequest: there are more or fewer placeholders than media.
    """
    for token, wanted in counts.items():
        found = sum(other == token for other in ids)
        if found != len(wanted):
            raise InvalidRequest(
                f"The prompt has {found} placeholders (token {token}) for {len(wanted)} images or videos; each needs "
                "exactly one. Leave the placeholders out, or write one for each."
            )
    left = {token: iter(wanted) for token, wanted in counts.items()}
    expanded: list[int] = []
    for token in ids:
        expanded.extend([token] * next(left[token]) if token in left else (token,))
    return tuple(expanded)


def patch_grids(ids: Any, tokens: VisualTokens, media: Sequence[Visual]) -> tuple[PatchGrid, ...]:
    """Find the tokens that stand for each image, and for each frame of a video.

    Args:
        ids: of a prompt whose placeholders are repeated already; a sequence or an array.
        tokens: the placeholders.
        media: of the prompt, in the order of its placeholders.

    Raises:
        InvalidRequest: the placeholders do not fit the media.
    """
    import numpy as np

    ids = np.asarray(ids)
    places = np.flatnonzero((ids == tokens.image) | (ids == tokens.video))
    wanted = sum(tokens.count(medium) for medium in media)
    if len(places) != wanted:
        raise InvalidRequest(
            f"The prompt has {len(places)} placeholders; its images and videos ({len(media)}) have {wanted} tokens."
        )
    grids: list[PatchGrid] = []
    used = 0
    for medium in media:
        rows, columns = tokens.size(medium)
        for _ in range(medium.grid[0]):
            run = places[used : used + rows * columns]
            if run[-1] - run[0] != len(run) - 1 or (ids[run] != tokens.of(medium.kind)).any():
                what = "a frame of a video" if medium.kind == "video" else "an image"
                text = f"The {rows} x {columns} placeholders of {what} do not stand together in the prompt."
                raise InvalidRequest(text)
            grids.append(PatchGrid(start=int(run[0]), rows=rows, columns=columns))
            used += len(run)
    return tuple(grids)
