"""One program per tile of queries and head, for NVIDIA GPUs: scores stay on the chip, and nothing is padded.

Each program goes over the keys that its queries may see, block by block, and keeps the softmax's running maximum and
sum, as Dao 2023 (FlashAttention-2, arXiv:2307.08691, algorithm 1) does. Which tiles there are is known on the host.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
import triton  # type: ignore[import-untyped]
import triton.language as tl  # type: ignore[import-untyped]
from torch import Tensor

from cenote.kernels.gpu import columns_of, device_of, on_device, product_type

__all__ = ["varlen_attention"]


def varlen_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    lengths: Sequence[int],
    key_lengths: Sequence[int],
    scale: float,
    causal: bool = False,
    window: int | None = None,
    softcap: float | None = None,
    sinks: Tensor | None = None,
) -> Tensor:
    """Compute attention as `reference.varlen_attention` states it; scores, softmax and sums are float32."""
    query, key, value = (each if each.stride(-1) == 1 else each.contiguous() for each in (query, key, value))
    out = query.new_empty(*query.shape[:2], value.shape[2])
    longest = max(lengths, default=0)
    rows, keys, warps = _block(query, value, longest)
    tiles = _tiles(tuple(lengths), tuple(key_lengths), rows, query.device)
    if not out.numel():
        return out
    with device_of(query):
        _kernel[(len(tiles), query.shape[1])](
            query,
            key,
            value,
            out,
            query if sinks is None else sinks.contiguous(),
            tiles,
            *query.stride()[:2],
            *key.stride()[:2],
            *value.stride()[:2],
            *out.stride()[:2],
            scale,
            0.0 if softcap is None else softcap,
            0 if window is None else min(window, longest),  # a longer one hides no more, and int32 holds it
            SIZE=query.shape[2],
            VALUES=value.shape[2],
            GROUP=query.shape[1] // key.shape[1],
            CAUSAL=causal,
            WINDOWED=window is not None,
            CAPPED=softcap is not None,
            SINKS=sinks is not None,
            COMMON=product_type(query.dtype, _kernel),
            ROWS=rows,
            KEYS=keys,
            COLUMNS=columns_of(query.shape[2]),
            OUT_COLUMNS=columns_of(value.shape[2]),
            num_warps=warps,
            num_stages=2,
        )
    return out


def _block(query: Tensor, value: Tensor, longest: int) -> tuple[int, int, int]:
    """Return how many queries and keys make a tile, and the warps of a program.

    Tiles of queries, keys and values fit 99 KiB of shared memory, the least of chips that have tensor cores for
    bfloat16, and sums fit the registers: seen from what the compiler says for sm_80 and sm_90. Float32 products take
    no tensor cores, and spill sooner. Short sequences would not fill large tiles.
    """
    size = max(query.element_size(), 2)
    width = max(columns_of(query.shape[2]), columns_of(value.shape[2])) * size  # bytes
    if width > 512:
        return 16, 16, 4
    if longest <= 16:
        return 16, 32, 2
    if width > 256 or size > 2:
        return 32, 32, 4
    if longest <= 64:
        return 64, 64, 4
    return 128, 64, 4 if width <= 128 else 8


@lru_cache(maxsize=16)
def _tiles(lengths: tuple[int, ...], key_lengths: tuple[int, ...], rows: int, device: torch.device) -> Tensor:
    """Return [tiles, 4] int64: first row of the sequence, its queries and keys, and the tile's first query in it."""
    found: list[tuple[int, int, int, int]] = []
    start = 0
    for length, keys in zip(lengths, key_lengths, strict=True):
        found.extend((start, length, keys, first) for first in range(0, length, rows))
        start += length
    flat = [number for tile in found for number in tile]
    return on_device(flat, device, torch.int64).view(-1, 4)


# Triton compiles a function's annotations too, and knows none but its own.
@triton.jit(do_not_specialize=["window"])  # type: ignore[untyped-decorator]
def _kernel(  # type: ignore[no-untyped-def]
    query,
    key,
    value,
    out,
    sinks,
    tiles,
    query_step,
    query_head_step,
    key_step,
    key_head_step,
    value_step,
    value_head_step,
    out_step,
    out_head_step,
    scale,
    softcap,
    window,
    SIZE: tl.constexpr,
    VALUES: tl.constexpr,
    GROUP: tl.constexpr,
    CAUSAL: tl.constexpr,
    WINDOWED: tl.constexpr,
    CAPPED: tl.constexpr,
    SINKS: tl.constexpr,
    COMMON: tl.constexpr,
    ROWS: tl.constexpr,
    KEYS: tl.constexpr,
    COLUMNS: tl.constexpr,
    OUT_COLUMNS: tl.constexpr,
):
    tile, head = tiles + 4 * tl.program_id(0), tl.program_id(1)
    start, length = tl.load(tile), tl.load(tile + 1).to(tl.int32)
    key_length, first = tl.load(tile + 2).to(tl.int32), tl.load(tile + 3).to(tl.int32)
    key_head = (head // GROUP).to(tl.int64)
    columns, out_columns = tl.arange(0, COLUMNS), tl.arange(0, OUT_COLUMNS)
    rows, steps = first + tl.arange(0, ROWS), tl.arange(0, KEYS)

    places = query + (start + rows)[:, None] * query_step + head.to(tl.int64) * query_head_step
    queries = tl.load(
        places + columns[None, :], mask=(rows[:, None] < length) & (columns[None, :] < SIZE), other=0.0
    ).to(COMMON)
    factor = scale if CAPPED else scale * 1.4426950408889634
    if SINKS:  # a score that is there before any key, whose value is zero
        sink = tl.load(sinks + head).to(tl.float32) * 1.4426950408889634
        highest = tl.zeros((ROWS,), tl.float32) + sink
        total = tl.full((ROWS,), 1.0, tl.float32)
    else:
        highest = tl.full((ROWS,), float("-inf"), tl.float32)
        total = tl.zeros((ROWS,), tl.float32)
    sums = tl.zeros((ROWS, OUT_COLUMNS), tl.float32)

    low, high = 0, key_length
    if CAUSAL:
        high = tl.minimum(high, first + ROWS)
    if WINDOWED:
        low = tl.maximum(first - window + 1, 0) // KEYS * KEYS
        high = tl.minimum(high, first + ROWS + window - 1)
    for at in range(low, high, KEYS):
        seen = at + steps
        key_places = key + (start + seen)[None, :] * key_step + key_head * key_head_step
        keys = tl.load(
            key_places + columns[:, None], mask=(seen[None, :] < key_length) & (columns[:, None] < SIZE), other=0.0
        ).to(COMMON)
        scores = tl.dot(queries, keys, input_precision="ieee") * factor
        if CAPPED:  # tanh(x) = 2 / (1 + exp(-2x)) - 1
            scores = softcap * (2.0 * tl.sigmoid(2.0 * scores / softcap) - 1.0) * 1.4426950408889634
        visible = seen[None, :] < key_length
        if CAUSAL:
            visible = visible & (seen[None, :] <= rows[:, None])
        if WINDOWED:
            distance = rows[:, None] - seen[None, :]
            visible = visible & (distance < window) & (-distance < window)
        scores = tl.where(visible, scores, float("-inf"))
        higher = tl.maximum(highest, tl.max(scores, axis=1))
        base = tl.where(higher == float("-inf"), 0.0, higher)  # no key was seen so far
        weights = tl.exp2(scores - base[:, None])
        kept = tl.exp2(highest - base)
        value_places = value + (start + seen)[:, None] * value_step + key_head * value_head_step
        values = tl.load(
            value_places + out_columns[None, :],
            mask=(seen[:, None] < key_length) & (out_columns[None, :] < VALUES),
            other=0.0,
        ).to(COMMON)
        total = total * kept + tl.sum(weights, axis=1)
        sums = tl.dot(weights.to(COMMON), values, sums * kept[:, None], input_precision="ieee")
        highest = higher

    found = sums / tl.where(total == 0.0, 1.0, total)[:, None]
    out_places = out + (start + rows)[:, None] * out_step + head.to(tl.int64) * out_head_step
    tl.store(
        out_places + out_columns[None, :],
        found.to(out.dtype.element_ty),
        mask=(rows[:, None] < length) & (out_columns[None, :] < VALUES),
    )
