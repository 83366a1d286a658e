"""One program per document and group of query vectors, for NVIDIA GPUs: no dot product ever reaches memory."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
import triton  # type: ignore[import-untyped]
import triton.language as tl  # type: ignore[import-untyped]
from torch import Tensor

from cenote.kernels.gpu import columns_of, device_of, on_device, product_type
from cenote.kernels.maxsim.check import check_maxsim
from cenote.kernels.maxsim.rows import Rows, runs

__all__ = ["maxsim"]

#: Vectors of a document and of the query that are multiplied at once.
_ROWS, _QUERIES = 64, 64
#: Bytes of each vector that are read at once, so that the tiles fit any GPU's shared memory.
_BYTES = 256
#: Vectors that are copied at once of documents that lie apart.
_JOINED = 1 << 18


def maxsim(
    query: Tensor,
    documents: Tensor | Sequence[Tensor],
    *,
    lengths: Sequence[int],
    queries: Sequence[int] | None = None,
) -> Tensor:
    """Compute what `reference.maxsim` states: sums in float32, or in int32 of two int8 sides.

    Raises:
        InvalidRequest: as the reference.
    """
    check_maxsim(query, documents, lengths, queries)
    if queries is not None:
        parts = query.split(list(queries))  # type: ignore[no-untyped-call]
        return torch.stack([maxsim(part, documents, lengths=lengths) for part in parts])
    if not lengths:
        return torch.empty(0, device=query.device)
    if isinstance(documents, Tensor):
        return _scores(query, documents, lengths)
    rows = Rows(documents, lengths, _JOINED)
    parts = runs(rows.ends, 0, len(lengths), _JOINED)
    return torch.cat([_scores(query, rows(first, last), lengths[first:last]) for first, last in parts])


def _scores(query: Tensor, documents: Tensor, lengths: Sequence[int]) -> Tensor:
    query, width = query.contiguous(), query.shape[1]
    block = min(_QUERIES, columns_of(len(query)))
    groups = triton.cdiv(len(query), block)
    starts = on_device(list(accumulate(lengths, initial=0)), documents.device, torch.int64)
    sums = torch.empty(len(lengths), groups, device=documents.device)
    common = query.dtype if query.dtype == documents.dtype else torch.float32
    with device_of(documents):
        _kernel[(len(lengths), groups)](
            query,
            documents,
            starts,
            sums,
            len(query),
            width,
            documents.stride(0),
            documents.stride(1),
            COMMON=product_type(common, _kernel),
            WHOLE=common == torch.int8,
            QUERIES=block,
            ROWS=_ROWS,
            WIDTH=min(_BYTES // common.itemsize, columns_of(width, least=32)),
        )
    return sums.sum(dim=1)


# Triton compiles a function's annotations too, and knows none but its own.
@triton.jit  # type: ignore[untyped-decorator]
def _kernel(  # type: ignore[no-untyped-def]
    query,
    documents,
    starts,
    sums,
    queries,
    width,
    row_step,
    column_step,
    COMMON: tl.constexpr,
    WHOLE: tl.constexpr,
    QUERIES: tl.constexpr,
    ROWS: tl.constexpr,
    WIDTH: tl.constexpr,
):
    document, group = tl.program_id(0), tl.program_id(1)
    first, last = tl.load(starts + document), tl.load(starts + document + 1)
    wanted = group * QUERIES + tl.arange(0, QUERIES)
    steps, columns = tl.arange(0, ROWS), tl.arange(0, WIDTH)
    best = tl.full((QUERIES,), float("-inf"), tl.float32)
    spoilt = tl.zeros((QUERIES,), tl.float32)  # NaN once there was one, which a maximum may pass over
    for start in range(first, last, ROWS):
        rows = start + steps
        total = tl.zeros((ROWS, QUERIES), tl.int32 if WHOLE else tl.float32)
        for column in range(0, width, WIDTH):
            at = column + columns
            left = tl.load(
                documents + rows[:, None].to(tl.int64) * row_step + at[None, :] * column_step,
                mask=(rows[:, None] < last) & (at[None, :] < width),
                other=0,
            )
            right = tl.load(
                query + wanted[None, :] * width + at[:, None],
                mask=(wanted[None, :] < queries) & (at[:, None] < width),
                other=0,
            )
            if WHOLE:
                total = tl.dot(left, right, total, out_dtype=tl.int32)
            else:
                total = tl.dot(left.to(COMMON), right.to(COMMON), total, input_precision="ieee")
        found, there = total.to(tl.float32), rows[:, None] < last
        spoilt += tl.sum(tl.where(there & (found != found), found, 0.0), axis=0)
        best = tl.maximum(best, tl.max(tl.where(there & (found == found), found, float("-inf")), axis=0))
    score = tl.sum(tl.where(wanted < queries, best + spoilt, 0.0), axis=0)
    tl.store(sums + document * tl.num_programs(1) + group, score)
