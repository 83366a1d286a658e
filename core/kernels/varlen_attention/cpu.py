"""Attention by groups of equal length, each group one call of torch's fused attention.

The scheduler sorts a batch by length, so that groups are long; one call costs about 20 µs on a CPU, which
short sequences would otherwise pay one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from cenote.kernels.varlen_attention import reference

__all__ = ["varlen_attention"]


#: First row, sequences, length, and how many keys each of the sequences has.
_Group: TypeAlias = tuple[int, int, int, tuple[int, ...]]


@lru_cache(maxsize=128)
def _groups(lengths: tuple[int, ...], key_lengths: tuple[int, ...], *, mixed: bool) -> tuple[_Group, ...]:
    """Return the runs of neighbours of equal length and, unless they may be `mixed`, equally many keys."""
    groups = []
    start = 0
    pairs = zip(lengths, key_lengths, strict=True)
    for _, run in groupby(pairs, key=lambda pair: pair[0] if mixed else pair):
        members = list(run)
        length = members[0][0]
        groups.append((start, len(members), length, tuple(keys for _, keys in members)))
        start += len(members) * length
    return tuple(groups)


def _mask(length: int, key_length: int, *, causal: bool, window: int | None, device: torch.device) -> Tensor | None:
    """Return a mask only where the fused kernel's own flags do not say enough."""
    if (window is None or window >= length) and (not causal or key_length == length):
        return None
    return reference.visible(length, key_length, causal=causal, window=window, device=device)


def _key_mask(allowed: Tensor | None, key_lengths: tuple[int, ...], device: torch.device) -> Tensor:
    """Return [n, 1, length or 1, keys]: what each query may see where sequences have unlike numbers of keys."""
    present = torch.arange(max(key_lengths), device=device) < torch.tensor(key_lengths, device=device)[:, None]
    mask = present[:, None, None]
    return mask if allowed is None else mask & allowed


def _sink_mask(allowed: Tensor, sinks: Tensor) -> Tensor:
    """Return scores [1, heads, length, keys + 1] to add: nothing where a key may be seen, and the sinks of a last key.

    That key is zero, so that its own score is zero, and so is its value.
    """
    hidden = sinks.new_zeros(allowed.shape).masked_fill(~allowed, float("-inf"))
    scores = hidden.expand(len(sinks), *allowed.shape)
    return torch.cat((scores, sinks[:, None, None].expand(-1, len(allowed), 1)), dim=-1)[None]


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
    """Compute attention as `reference.varlen_attention` states it."""
    if softcap is not None:  # the fused kernel has no soft cap
        return reference.varlen_attention(
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
    out = query.new_empty(*query.shape[:2], value.shape[2])
    grouped = query.shape[1] != key.shape[1]
    for start, count, length, keys in _groups(tuple(lengths), tuple(key_lengths), mixed=sinks is None):
        key_length = max(keys)
        rows = slice(start, start + count * length)
        q = query[rows].view(count, length, *query.shape[1:]).transpose(1, 2)  # [n, heads, l, d]
        k = key[rows].view(count, length, *key.shape[1:])[:, :key_length].transpose(1, 2)
        v = value[rows].view(count, length, *value.shape[1:])[:, :key_length].transpose(1, 2)
        if sinks is None:
            mask = _mask(length, key_length, causal=causal, window=window, device=query.device)
            if len(set(keys)) > 1:
                if causal and mask is None:
                    mask = reference.visible(length, key_length, causal=True, window=None, device=query.device)
                mask = _key_mask(mask, keys, query.device)
        else:
            allowed = reference.visible(length, key_length, causal=causal, window=window, device=query.device)
            mask = _sink_mask(allowed, sinks.to(query.dtype))
            k, v = F.pad(k, (0, 0, 0, 1)), F.pad(v, (0, 0, 0, 1))
        flag = causal and mask is None
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=flag, scale=scale, enable_gqa=grouped)
        out[rows].view(count, length, *out.shape[1:]).copy_(mixed.transpose(1, 2))
    return out
