"""Attention one sequence at a time, in float32, written as the formula."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["varlen_attention", "visible"]


def visible(length: int, key_length: int, *, causal: bool, window: int | None, device: torch.device) -> Tensor:
    """Return [length, key_length] bool: which keys each query may see."""
    rows = torch.arange(length, device=device)[:, None]
    columns = torch.arange(key_length, device=device)[None, :]
    allowed = torch.ones(length, key_length, dtype=torch.bool, device=device)
    if causal:
        allowed &= columns <= rows
    if window is not None:
        allowed &= (rows - columns).abs() < window
    return allowed


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
    """Compute softmax(scale · q kᵀ) v within each sequence.

    Args:
        query: [T, heads, d], rows of all sequences end to end; T is the sum of `lengths`.
        key: [T, kv_heads, d]; heads is a multiple of kv_heads (grouped-query attention).
        value: [T, kv_heads, e].
        lengths: tokens per sequence.
        key_lengths: per sequence, how many leading tokens are attended to, at most the length.
        scale: factor on the scores.
        causal: token i sees only tokens j ≤ i.
        window: token i sees only tokens with |i - j| < window.
        softcap: scores become softcap · tanh(score / softcap).
        sinks: [heads], a further score in each softmax, of a key whose value is zero.

    Returns:
        [T, heads, e] in the dtype of `query`. A token that may see nothing gives zeros; one that sees NaN gives NaN.

    Source: Vaswani et al. 2017, eq. 1 (arXiv:1706.03762); soft capping as in Gemma 2 (arXiv:2408.00118, section 2);
    window and grouped heads as in Mistral 7B (arXiv:2310.06825); sinks as in gpt-oss (arXiv:2508.10925, section 2).
    """
    repeat = query.shape[1] // key.shape[1]
    out = query.new_zeros(*query.shape[:2], value.shape[2])
    start = 0
    for length, key_length in zip(lengths, key_lengths, strict=True):
        q = query[start : start + length].float()  # [l, heads, d]
        k = key[start : start + key_length].float().repeat_interleave(repeat, dim=1)
        v = value[start : start + key_length].float().repeat_interleave(repeat, dim=1)
        scores = torch.einsum("qhd,khd->hqk", q, k) * scale
        if softcap is not None:
            scores = softcap * torch.tanh(scores / softcap)
        allowed = visible(length, key_length, causal=causal, window=window, device=query.device)
        scores = scores.masked_fill(~allowed, float("-inf"))
        if sinks is not None:
            scores = torch.cat((scores, sinks.float()[:, None, None].expand(-1, length, 1)), dim=-1)
        blind = ~allowed.any(dim=-1, keepdim=True)
        weights = scores.softmax(dim=-1)[..., :key_length].masked_fill(blind, 0.0)
        out[start : start + length] = torch.einsum("hqk,khd->qhd", weights, v).to(out.dtype)
        start += length
    return out
