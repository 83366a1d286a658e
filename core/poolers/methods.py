"""Pooling methods: from the rows of each sequence to one row.

Methods are entry points of the group `cenote.poolers`, so a plugin can add one; `PoolingMethod` is what they are.

Source of the formulas: sentence-transformers 6.2 `Pooling`; with no padding its masks become lengths.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from cenote.kernels import kernel_for

__all__ = ["PoolingMethod", "check_method", "cls", "last", "maximum", "mean", "mean_sqrt_len", "weighted_mean"]


class PoolingMethod(Protocol):
    """Reduces the rows of each sequence to one row; what follows (projection, cut, length 1) is the head's."""

    def __call__(self, hidden: Tensor, lengths: Sequence[int], skips: Sequence[int], /) -> Tensor:
        """Pool all sequences of a batch at once.

        Args:
            hidden: [T, h] float, the rows of all sequences laid end to end. Must not be written to.
            lengths: rows per sequence, each at least 1; sums to T.
            skips: per sequence, leading rows that must take no part (a stored prompt that is left out of pooling); 0
                almost always, and never negative.

        Returns:
            [n, d] float32 on the same device, finite also where all rows of a sequence are left out.
        """
        ...


def check_method(value: Any) -> None:
    """Refuse what cannot be called as a pooling method is.

    Raises:
        TypeError: it is no function of the three positional arguments.
    """
    wanted = "a pooling method is a function (hidden, lengths, skips)"
    if not callable(value):
        raise TypeError(f"{wanted}, not {type(value).__name__}")
    try:
        inspect.signature(value).bind(None, (), ())
    except TypeError as exc:
        raise TypeError(f"{wanted}; {getattr(value, '__name__', value)!s} cannot be called so: {exc}") from None


def _offsets(lengths: Sequence[int], device: torch.device) -> Tensor:
    """Return [n] int64: the row after each sequence."""
    return torch.tensor(lengths, dtype=torch.int64, device=device).cumsum(0)


def _kept(hidden: Tensor, lengths: Sequence[int], skips: Sequence[int]) -> tuple[Tensor, list[int]]:
    """Drop the leading rows that `skips` names; a sequence keeps no row where all are skipped."""
    if not any(skips):
        return hidden, list(lengths)
    keep = torch.cat(
        [torch.arange(length) >= skip for length, skip in zip(lengths, skips, strict=True)],
    ).to(hidden.device)
    return hidden[keep], [max(0, length - skip) for length, skip in zip(lengths, skips, strict=True)]


def _segments(hidden: Tensor, lengths: Sequence[int], skips: Sequence[int], reduce: str) -> Tensor:
    rows, kept = _kept(hidden, lengths, skips)
    pooled: Tensor = kernel_for("segment_pool", hidden)(rows, lengths=kept, reduce=reduce)
    return pooled


def cls(hidden: Tensor, lengths: Sequence[int], skips: Sequence[int]) -> Tensor:
    """Take the first row of each sequence that is not left out."""
    ends = _offsets(lengths, hidden.device)
    counts, left_out = (torch.tensor(part, dtype=torch.int64, device=hidden.device) for part in (lengths, skips))
    first = torch.minimum(left_out, counts - 1)
    return hidden[ends - counts + first].float()


def last(hidden: Tensor, lengths: Sequence[int], skips: Sequence[int]) -> Tensor:
    """Take the last row of each sequence."""
    del skips
    return hidden[_offsets(lengths, hidden.device) - 1].float()


def mean(hidden: Tensor, lengths: Sequence[int], skips: Sequence[int]) -> Tensor:
    """Take the arithmetic mean, accumulated in float32."""
    return _segments(hidden, lengths, skips, "mean")


def maximum(hidden: Tensor, lengths: Sequence[int], skips: Sequence[int]) -> Tensor:
    """Take the maximum of each component."""
    return _segments(hidden, lengths, skips, "max")


def mean_sqrt_len(hidden: Tensor, lengths: Sequence[int], skips: Sequence[int]) -> Tensor:
    """Take the sum divided by the square root of the number of rows."""
    counts = torch.tensor([max(1, n - skip) for n, skip in zip(lengths, skips, strict=True)], device=hidden.device)
    return _segments(hidden, lengths, skips, "sum") / counts.float().sqrt()[:, None]


def weighted_mean(hidden: Tensor, lengths: Sequence[int], skips: Sequence[int]) -> Tensor:
    """Take the mean weighted by position: row i (from 1, left-out rows counted) weighs i.

    Source: Muennighoff 2022, SGPT, section 4 (arXiv:2202.08904).
    """
    counts = [torch.arange(1, length + 1) for length in lengths] or [torch.arange(0)]
    weights = torch.cat(counts).to(hidden.device)[:, None].float()
    total = _segments(hidden.float() * weights, lengths, skips, "sum")
    return total / _segments(weights, lengths, skips, "sum").clamp_min(1e-9)
