"""Attention over sequences that lie end to end: `varlen_attention:native`, one call of the compiled object."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate

import torch
from torch import Tensor

from cenote.errors import MissingDependency, ShapeError
from cenote.kernels.varlen_attention import cpu
from cenote_cpu_kernels.calls import fits
from cenote_cpu_kernels.library import LEVELS, level, library, offered

__all__ = ["attention_at", "borders", "varlen_attention"]

#: `AttentionCall` of native/attention.h.
_CALL = struct.Struct("@7P12qff2i")
_FAILURES = {1: "Compiled attention needs avx2; the level is {}.", 2: "There is no memory for attention ({})."}
_DTYPES = {torch.float32: 0, torch.bfloat16: 1}


@offered("avx2")
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
    """Compute attention as the `reference` of the operator states it.

    Scores, softmax and sums are in float32. Of bfloat16 tensors, the softmax's weights are rounded to bfloat16
    before they meet the values, where the machine multiplies bfloat16.

    Args:
        query: [T, heads, d]; like `key` and `value` it may be a view of a larger tensor.
        key: [T, key heads, d].
        value: [T, key heads, e].
        lengths: tokens per sequence, T in all.
        key_lengths: per sequence, how many leading tokens are attended to.
        scale: factor on the scores.
        causal: token i sees only tokens j ≤ i.
        window: token i sees only tokens with |i - j| < window.
        softcap: scores become softcap · tanh(score / softcap).
        sinks: [heads], a further score in each softmax, of a key whose value is zero.

    Returns:
        [T, heads, e], contiguous, in the dtype of `query`. Other dtypes than float32 and bfloat16, and a scale,
        window or softcap that is not positive, are computed by the core.

    Raises:
        ShapeError: tensors and lengths do not fit together, or are not all on the CPU.
        MissingDependency: the machine has not the instructions.
    """
    return attention_at(
        level(),
        query,
        key,
        value,
        lengths=lengths,
        key_lengths=key_lengths,
        scale=scale,
        causal=causal,
        window=window,
        softcap=softcap,
        sinks=sinks,
    )


def attention_at(
    chosen: int,
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
    """Compute `varlen_attention` with the instructions of a level, a place in `library.LEVELS`."""
    dtype = _DTYPES.get(query.dtype)
    # What is a mistake or has no inverse is the core's, and so is NaN.
    usual = scale > 0 and (window is None or window > 0) and (softcap is None or softcap > 0)
    if dtype is None or not usual:
        return cpu.varlen_attention(
            query,
            key,
            value,
            lengths=lengths,
            key_lengths=key_lengths,
            scale=scale,
            causal=causal,
            window=window,
            softcap=softcap,
            sinks=sinks,
        )
    rows, starts, keys = borders(tuple(lengths), tuple(key_lengths))
    _check(query, key, value, sinks, rows)
    _, heads, size = query.shape
    query, key, value = (each if each.stride(2) == 1 else each.contiguous() for each in (query, key, value))
    sinks = None if sinks is None else sinks.float().contiguous()
    out = query.new_empty(rows, heads, value.shape[2])
    call = _CALL.pack(
        query.data_ptr(),
        key.data_ptr(),
        value.data_ptr(),
        out.data_ptr(),
        0 if sinks is None else sinks.data_ptr(),
        ctypes.addressof(starts),
        keys,
        *(step for each in (query, key, value) for step in each.stride()[:2]),
        len(lengths),
        heads,
        key.shape[1],
        size,
        value.shape[2],
        min(window or 0, rows),  # one of all rows hides nothing, as none
        scale,
        softcap or 0.0,
        causal,
        dtype,
    )
    failure = library().cenote_attention(call, chosen, torch.get_num_threads())
    if failure:
        raise MissingDependency(_FAILURES[failure].format(LEVELS[chosen]))
    return out


def _check(query: Tensor, key: Tensor, value: Tensor, sinks: Tensor | None, rows: int) -> None:
    q, k, v = query.shape, key.shape, value.shape
    alike = (
        len(q) == len(k) == len(v) == 3
        and q[0] == k[0] == v[0] == rows
        and q[2] == k[2]
        and v[1] == k[1] > 0 < q[1]
        and q[1] % k[1] == 0
        and query.dtype == key.dtype == value.dtype
    )
    if not (query.is_cpu and key.is_cpu and value.is_cpu) or not (alike and fits(sinks, q[1])):
        places = sorted({str(each.device) for each in (query, key, value, sinks) if each is not None})
        raise ShapeError(
            f"Attention over {rows} tokens does not go with query, key and value of shapes {list(q)}, "
            f"{list(k)} and {list(v)}, dtypes {query.dtype}, {key.dtype} and {value.dtype}, "
            f"and sinks of shape {None if sinks is None else list(sinks.shape)}, on {', '.join(places)}."
        )


@lru_cache(maxsize=128)
def borders(lengths: tuple[int, ...], key_lengths: tuple[int, ...]) -> tuple[int, ctypes.Array[ctypes.c_int64], int]:
    """Return the rows in all, the first row of each sequence and then the keys of each, and the place of the latter.

    Raises:
        ShapeError: there are not as many numbers of keys as sequences, or more keys than tokens, or less than none.
    """
    fits = len(lengths) == len(key_lengths) and all(
        0 <= keys <= length for keys, length in zip(key_lengths, lengths, strict=False)
    )
    if not fits:
        raise ShapeError(f"Attention needs from 0 to length keys per sequence; lengths {lengths}, keys {key_lengths}.")
    starts = list(accumulate(lengths, initial=0))
    array = (ctypes.c_int64 * (len(starts) + len(key_lengths)))(*starts, *key_lengths)
    return starts[-1], array, ctypes.addressof(array) + 8 * len(starts)
