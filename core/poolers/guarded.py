"""Pooling methods of plugins: what they raise or return wrongly is an error that names them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import update_wrapper
from typing import Any

import torch
from torch import Tensor

from cenote.poolers.methods import PoolingMethod
from cenote.registry import Entry
from cenote.registry.blame import Blame

__all__ = ["guarded_method"]


def guarded_method(entry: Entry, method: PoolingMethod) -> PoolingMethod:
    """Return a method whose calls are errors of the plugin wherever they fail; no number is read for that."""
    blame = Blame.of("pooling method", entry)

    def call(hidden: Tensor, lengths: Sequence[int], skips: Sequence[int], /) -> Tensor:
        pooled: Any = blame.call(method, hidden, lengths, skips)
        if not isinstance(pooled, torch.Tensor):
            raise blame.wrong(f"returned {type(pooled).__name__}, not a tensor")
        if pooled.ndim != 2 or len(pooled) != len(lengths) or not pooled.shape[1]:
            count = len(lengths)
            raise blame.wrong(f"returned shape {list(pooled.shape)} for {count} sequences, not [{count}, d]")
        if not pooled.is_floating_point():
            raise blame.wrong(f"returned {str(pooled.dtype).removeprefix('torch.')} numbers, not floats")
        return pooled

    return update_wrapper(call, method)
