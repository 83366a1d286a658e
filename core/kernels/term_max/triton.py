"""Sorting by torch, merging by one lane per term, for NVIDIA GPUs: memory grows with the tokens, not with their ids."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
import triton  # type: ignore[import-untyped]
import triton.language as tl  # type: ignore[import-untyped]
from torch import Tensor

from cenote.kernels.gpu import device_of, on_device, row_starts
from cenote.kernels.term_max.check import check_terms

__all__ = ["term_max"]

#: Terms of a program, and tokens of each that are read at once.
_TERMS, _TOKENS = 64, 4


def term_max(weights: Tensor, ids: Tensor, *, lengths: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Merge as `reference.term_max` states it.

    How many terms there are is known once ids were compared, so that the host waits for the device here, once.

    Raises:
        ShapeError: weights, ids and lengths do not fit together.
        WrongType: ids are no whole numbers.
    """
    check_terms(weights, ids, lengths)
    sizes, device, ids = tuple(lengths), ids.device, ids.long()
    if not len(ids):
        return ids.new_zeros(0), weights.new_zeros(0, dtype=torch.float32), ids.new_zeros(len(sizes))
    # Two stable sorts order by sequence and then by id, whatever the ids: they need not fit into one number with it.
    by_id, places = torch.sort(ids, stable=True)
    owners, order = torch.sort(_owners(sizes, device)[places], stable=True)
    by_id, places = by_id[order], places[order]
    is_new = torch.ones_like(by_id, dtype=torch.bool)
    is_new[1:] = (by_id[1:] != by_id[:-1]) | (owners[1:] != owners[:-1])
    firsts = is_new.nonzero().flatten()
    largest = torch.empty(len(firsts), dtype=torch.float32, device=device)
    with device_of(ids):
        _kernel[(triton.cdiv(len(firsts), _TERMS),)](
            weights, places, firsts, largest, len(firsts), len(ids), weights.stride(0), TERMS=_TERMS, TOKENS=_TOKENS
        )
    counted = torch.zeros(len(ids) + 1, dtype=torch.int64, device=device)
    torch.cumsum(is_new, 0, out=counted[1:])
    return by_id[firsts], largest, counted[row_starts(sizes, device)].diff()


@lru_cache(maxsize=16)
def _owners(lengths: tuple[int, ...], device: torch.device) -> Tensor:
    """Return [T]: the number of each token's sequence."""
    return on_device([owner for owner, length in enumerate(lengths) for _ in range(length)], device)


# Triton compiles a function's annotations too, and knows none but its own.
@triton.jit  # type: ignore[untyped-decorator]
def _kernel(  # type: ignore[no-untyped-def]
    weights,
    places,
    firsts,
    largest,
    terms,
    tokens,
    weight_step,
    TERMS: tl.constexpr,
    TOKENS: tl.constexpr,
):
    term = tl.program_id(0) * TERMS + tl.arange(0, TERMS)
    start = tl.load(firsts + term, mask=term < terms, other=0)
    stop = tl.load(firsts + term + 1, mask=term + 1 < terms, other=tokens)
    count = tl.where(term < terms, stop - start, 0)
    steps = tl.arange(0, TOKENS)[None, :]
    best = tl.full((TERMS,), float("-inf"), tl.float32)
    spoilt = tl.zeros((TERMS,), tl.float32)  # NaN once there was one, which a maximum may pass over
    for at in range(0, tl.max(count, axis=0), TOKENS):
        there = at + steps < count[:, None]
        place = tl.load(places + start[:, None] + at + steps, mask=there, other=0)
        found = tl.load(weights + place * weight_step, mask=there, other=float("-inf")).to(tl.float32)
        spoilt += tl.sum(tl.where(found != found, found, 0.0), axis=1)
        best = tl.maximum(best, tl.max(found, axis=1))
    tl.store(largest + term, best + spoilt, mask=term < terms)
