"""The largest of each column within runs of rows of unlike length, without padding them to one length.

The maximum of a run is that of its first rows, its last rows and the aligned groups of rows between them. The maxima of
all groups are one reduction over a view, whatever the runs; what is gathered run by run is a few rows of each level.
That first and last rows may overlap does not matter to a maximum.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["RaggedMaximum"]

#: Rows of a group; a run's ends are gathered up to so many rows from either side.
_GROUP = 16


@dataclass(frozen=True, slots=True)
class RaggedMaximum:
    """Where to look for the maximum of every run.

    Attributes:
        places: by level, [n, w] rows of each run. Row g + 1 of level k + 1 is group g of level k; row 0 there is less
            than anything, for runs without a whole group.
    """

    places: tuple[Tensor, ...]

    @classmethod
    def of(cls, starts: Tensor, lengths: Tensor) -> RaggedMaximum:
        """Plan for runs.

        Args:
            starts: [n] int64, first row of each run.
            lengths: [n] int64, rows of each, at least 1.
        """
        levels: list[Tensor] = []
        while True:
            longest = int(lengths.max())
            width = min(_GROUP, (longest + 1) // 2)
            levels.append(_ends(starts, lengths, max(width, 1), min(len(levels), 1)))
            if longest <= 2 * _GROUP:
                return cls(tuple(levels))
            stops = torch.div(starts + lengths, _GROUP, rounding_mode="floor")
            starts = torch.div(starts + _GROUP - 1, _GROUP, rounding_mode="floor")
            lengths = (stops - starts).clamp_min(0)

    def __getitem__(self, runs: slice) -> RaggedMaximum:
        """Return the plan of some of the runs."""
        return RaggedMaximum(tuple(level[runs] for level in self.places))

    def __call__(self, rows: Tensor) -> Tensor:
        """Return [n, q], the maxima of the runs of rows [R, q]."""
        best = _gathered(rows, self.places[0])
        for places in self.places[1:]:
            level = _groups(rows)
            best = torch.maximum(best, _gathered(level, places))
            rows = level[1:]
        return best


def _ends(starts: Tensor, lengths: Tensor, width: int, first_place: int) -> Tensor:
    """Return [n, 2 width] int32: the first and the last rows of each run, repeated where there are fewer."""
    steps, last, first = torch.arange(width), (starts + lengths - 1)[:, None], starts[:, None]
    places = torch.cat([torch.minimum(first + steps, last), torch.maximum(last - steps, first)], dim=1)
    return (places + first_place).masked_fill_((lengths == 0)[:, None], 0).int()


def _groups(rows: Tensor) -> Tensor:
    """Return [groups + 1, q]: less than anything, then the maximum of each whole group of rows."""
    count = len(rows) // _GROUP
    level = rows.new_empty(count + 1, rows.shape[1])
    level[0] = float("-inf")
    torch.amax(rows[: count * _GROUP].view(count, _GROUP, rows.shape[1]), 1, out=level[1:])
    return level


def _gathered(rows: Tensor, places: Tensor) -> Tensor:
    found = rows.index_select(0, places.reshape(-1))
    return found.view(*places.shape, rows.shape[1]).amax(1)
