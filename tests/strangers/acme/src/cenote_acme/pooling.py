"""Acme's way to pool."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["peak"]


def peak(hidden: Tensor, lengths: Sequence[int], skips: Sequence[int]) -> Tensor:
    """Take of each component the value that is farthest from zero, with its sign.

    Args:
        hidden: [T, h], the rows of all texts laid end to end.
        lengths: rows of each text.
        skips: leading rows of each text that take no part.

    Returns:
        [n, h] float32.
    """
    pooled = []
    for rows, skip in zip(hidden.float().split_with_sizes(list(lengths)), skips, strict=True):
        kept = rows[skip:] if skip < len(rows) else rows[-1:]
        pooled.append(kept.gather(0, kept.abs().argmax(dim=0, keepdim=True))[0])
    return torch.stack(pooled) if pooled else hidden.new_zeros((0, hidden.shape[1]), dtype=torch.float32)
