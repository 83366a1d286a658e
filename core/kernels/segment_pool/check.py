"""What every implementation of `segment_pool` refuses."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from cenote.errors import ShapeError
from cenote.kernels.lengths import check_lengths

__all__ = ["check_segments"]

_REDUCTIONS = ("sum", "mean", "max")


def check_segments(rows: Tensor, lengths: Sequence[int], reduce: str) -> None:
    """Refuse lengths that do not fit the rows, since what lies behind them would be read, and names of nothing.

    Args:
        rows: [T, h].
        lengths: rows of each segment; they must sum to T, and none be negative.
        reduce: `sum`, `mean` or `max`.

    Raises:
        ShapeError: rows are no matrix, or the lengths do not fit them.
        ValueError: `reduce` is none of the three.
    """
    if reduce not in _REDUCTIONS:
        raise ValueError(f"reduce must be sum, mean or max, not {reduce!r:.40}.")
    if rows.ndim != 2:
        raise ShapeError(f"Rows to pool are [T, h]; these are {list(rows.shape)}.")
    check_lengths(lengths, len(rows), part="segment", unit="rows")
