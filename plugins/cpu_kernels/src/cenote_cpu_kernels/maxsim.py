"""`maxsim:native`: products and maxima in registers; each vector of a document is read once."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor

from cenote.errors import MissingDependency
from cenote.kernels.maxsim import cpu
from cenote.kernels.maxsim.check import check_maxsim
from cenote_cpu_kernels.calls import function
from cenote_cpu_kernels.library import LEVELS, level, offered, require

__all__ = ["maxsim"]

#: By the numbers of `native/maxsim.h`.
_VECTORS = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2, torch.int8: 3}
_TYPES = "iinppnnnipinpnp"
_PAIRS = LEVELS.index("avx512_bf16")


@offered("avx2")
def maxsim(
    query: Tensor,
    documents: Tensor | Sequence[Tensor],
    *,
    lengths: Sequence[int],
    queries: Sequence[int] | None = None,
) -> Tensor:
    """Compute what `maxsim:reference` states.

    Two bfloat16 sides are multiplied as they are and summed in float32, two int8 sides in int32, both where the
    machine has instructions for it; all else is float32. With AMX, two float32 sides are multiplied in three
    bfloat16 parts, which is as exact; a vector with an infinite number then gives NaN. Documents of other types are
    left to the backend `cpu`.

    Raises:
        InvalidRequest: as the reference.
        MissingDependency: the machine has not the instructions, or there is no memory.
    """
    check_maxsim(query, documents, lengths, queries)
    kind = documents.dtype if isinstance(documents, Tensor) else next((part.dtype for part in documents), None)
    if kind not in _VECTORS or not query.is_cpu:
        return cpu.maxsim(query, documents, lengths=lengths, queries=queries)
    addresses, counts, step, kept = _places(documents, lengths)
    wanted = (query if _as_it_is(query, kind) else query.float()).contiguous()
    ends = array("q", accumulate([len(query)] if queries is None else queries, initial=0))
    scores = torch.empty(len(ends) - 1, len(lengths))
    failed = function("cenote_maxsim", _TYPES, ctypes.c_int)(
        require("avx2"),
        torch.get_num_threads(),
        len(lengths),
        addresses.data_ptr(),
        counts.data_ptr(),
        sum(lengths),
        step,
        query.shape[1],
        _VECTORS[kind],
        wanted.data_ptr(),
        _VECTORS[wanted.dtype],
        len(query),
        ends.buffer_info()[0],
        len(ends) - 1,
        scores.data_ptr(),
    )
    del kept  # which the addresses are of
    if failed:
        raise MissingDependency("There is no memory for maxsim.")
    return scores[0] if queries is None else scores


def _as_it_is(query: Tensor, kind: torch.dtype | None) -> bool:
    return query.dtype == kind and kind in (torch.bfloat16, torch.int8) and level() >= _PAIRS


def _places(
    documents: Tensor | Sequence[Tensor], lengths: Sequence[int]
) -> tuple[Tensor, Tensor, int, Tensor | list[Tensor]]:
    """Return where documents begin [n], how many vectors they have [n], the bytes of a step, and what must live on."""
    counts = torch.tensor(lengths, dtype=torch.int64)
    if isinstance(documents, Tensor):
        rows = documents if documents.stride(1) == 1 else documents.contiguous()
        step = rows.stride(0) * rows.itemsize
        return (counts.cumsum(0) - counts) * step + rows.data_ptr(), counts, step, rows
    parts = [part if part.is_contiguous() else part.contiguous() for part in documents]
    addresses = torch.tensor([part.data_ptr() for part in parts], dtype=torch.int64)
    return addresses, counts, parts[0].shape[1] * parts[0].itemsize, parts
