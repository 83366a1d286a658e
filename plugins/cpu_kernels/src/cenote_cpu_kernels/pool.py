"""`segment_pool:native` and `l2_normalize:native`."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor

from cenote.kernels.l2_normalize import reference as l2_normalize_reference
from cenote.kernels.segment_pool import cpu
from cenote.kernels.segment_pool.check import check_segments
from cenote_cpu_kernels.calls import DTYPES, flat_rows, function, is_taken
from cenote_cpu_kernels.library import offered, require

__all__ = ["l2_normalize", "segment_pool"]

#: By the numbers of `native/rows.h`.
_REDUCTIONS = {"sum": 0, "mean": 1, "max": 2}
_POOL_TYPES, _NORMALIZE_TYPES = "iinnpnipiip", "iinnpnip"


@offered("avx2")
def segment_pool(rows: Tensor, *, lengths: Sequence[int], reduce: str, normalize: bool = False) -> Tensor:
    """Reduce segments as `segment_pool:reference` states it.

    Other types than float32 and bfloat16 are left to the backend `cpu`.

    Raises:
        ShapeError: the lengths do not fit the rows.
        ValueError: as the reference.
        MissingDependency: the machine has not the instructions.
    """
    check_segments(rows, lengths, reduce)
    if not is_taken(rows):
        return cpu.segment_pool(rows, lengths=lengths, reduce=reduce, normalize=normalize)
    source, ends = flat_rows(rows), array("q", accumulate(lengths, initial=0))
    result = torch.empty(len(lengths), rows.shape[1])
    function("cenote_segment_pool", _POOL_TYPES)(
        require("avx2"),
        torch.get_num_threads(),
        *result.shape,
        source.data_ptr(),
        source.stride(0),
        DTYPES[source.dtype],
        ends.buffer_info()[0],
        _REDUCTIONS[reduce],
        normalize,
        result.data_ptr(),
    )
    return result


@offered("avx2")
def l2_normalize(rows: Tensor) -> Tensor:
    """Scale rows as `l2_normalize:reference` states it.

    Other types than float32 and bfloat16 are left to the backend `reference`.

    Raises:
        MissingDependency: the machine has not the instructions.
    """
    if not rows.ndim or not rows.numel() or not is_taken(rows):
        return l2_normalize_reference.l2_normalize(rows)
    source = flat_rows(rows)
    result = torch.empty(rows.shape)
    function("cenote_l2_normalize", _NORMALIZE_TYPES)(
        require("avx2"),
        torch.get_num_threads(),
        *source.shape,
        source.data_ptr(),
        source.stride(0),
        DTYPES[source.dtype],
        result.data_ptr(),
    )
    return result
