"""Lengths of parts that lie end to end, looked at before a kernel reads by them."""

from __future__ import annotations

from collections.abc import Sequence

from cenote.errors import ShapeError

__all__ = ["check_lengths"]


def check_lengths(lengths: Sequence[int], total: int, *, part: str, unit: str) -> None:
    """Refuse lengths that do not fit what they divide, since what lies behind it would be read.

    Args:
        lengths: of each part; they must sum to `total`, and none be negative.
        total: how many there are to divide.
        part: what each length is of, such as `segment`.
        unit: what is counted, such as `rows`.

    Raises:
        ShapeError: they do not fit.
    """
    if len(lengths) and min(lengths) < 0:
        place = next(at for at, length in enumerate(lengths) if length < 0)
        raise ShapeError(f"{part.capitalize()} {place} has {lengths[place]} {unit}; none may have less than 0.")
    if sum(lengths) != total:
        raise ShapeError(f"lengths sum to {sum(lengths)}, but there are {total} {unit}; each must be in one {part}.")
