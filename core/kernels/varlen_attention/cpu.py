"""Attention by groups of equal length, each group one call of torch's fused attention.

The scheduler sorts a batch by length, so that groups are long; one call costs about 20 µs on a CPU, which
short sequences would otherwise pay one by one.

Torch's attention on CPUs takes a row whose scores are NaN or infinite for one that may see nothing, and gives zeros or
what the other keys say. So a look at the lengths of queries and keys comes first, and only where scores may be no
numbers are the sequences computed by the reference, each by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from cenote.kernels.varlen_attention import reference

__all__ = ["varlen_attention"]


#: Scores below this are far from infinite, and so are the sums of products that they are made of.
_LARGEST_SCORE = 1e37

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


def _longest(vectors: Tensor) -> float:
    """Return at least the length of the longest of vectors [T, heads, d]: NaN or infinite where a number is."""
    # Whole rows where the heads of a token lie side by side: torch is fast only where two dimensions are left.
    flat = vectors.flatten(1) if vectors.stride(1) == vectors.shape[2] else vectors
    return float(torch.linalg.vector_norm(flat, dim=-1).amax())


def _are_scores_finite(query: Tensor, key: Tensor, scale: float, sinks: Tensor | None) -> bool:
    """Tell whether every score is far from infinite, by the inequality of Cauchy and Schwarz; NaN is not."""
    if not query.numel():
        return True
    finite = max(scale, 1.0) * _longest(query) * _longest(key) < _LARGEST_SCORE
    return finite and (sinks is None or bool(torch.isfinite(sinks.to(query.dtype)).all()))


def _one_by_one(
    query: Tensor, key: Tensor, value: Tensor, *, lengths: Sequence[int], key_lengths: Sequence[int], **options: Any
) -> Tensor:
    """Return what the reference gives for sequences whose scores may be no numbers, and compute the others as ever."""
    found = [query.new_empty(0, query.shape[1], value.shape[2])]
    parts = (each.split_with_sizes(list(lengths)) for each in (query, key, value))
    for q, k, v, length, keys in zip(*parts, lengths, key_lengths, strict=True):
        finite = _are_scores_finite(q, k, options["scale"], options["sinks"])
        attend = varlen_attention if finite else _by_reference
        found.append(attend(q, k, v, lengths=(length,), key_lengths=(keys,), **options))
    return torch.cat(found)


def _by_reference(query: Tensor, key: Tensor, value: Tensor, *, sinks: Tensor | None, **options: Any) -> Tensor:
    """Go from one head of keys to the next: the scores of all heads of a long sequence may not fit the memory."""
    count = key.shape[1]
    group = query.shape[1] // count
    own = [None] * count if sinks is None else sinks.split_with_sizes([group] * count)
    parts = zip(query.split_with_sizes([group] * count, 1), own, strict=True)
    found = [
        reference.varlen_attention(q, key[:, at : at + 1], value[:, at : at + 1], sinks=sink, **options)
        for at, (q, sink) in enumerate(parts)
    ]
    return torch.cat(found, 1)


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
    options: dict[str, Any] = {"scale": scale, "causal": causal, "window": window, "softcap": softcap, "sinks": sinks}
    if softcap is not None or not scale > 0:  # the fused kernel has no soft cap, and multiplies what hides keys
        return reference.varlen_attention(query, key, value, lengths=lengths, key_lengths=key_lengths, **options)
    if query.is_cpu and not _are_scores_finite(query, key, scale, sinks):
        return _one_by_one(query, key, value, lengths=lengths, key_lengths=key_lengths, **options)
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
