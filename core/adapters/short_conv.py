"""Run the short convolutions of LFM2 over packed sequences, without mixing neighbours.

Each of these layers mixes a token with the few tokens before it. transformers' own layer runs over the whole row, and
zeroes what its attention mask hides, but a packed row has no mask. The layers put in their place have the same
children under the same names, so that low-rank adapters and prepared linear layers find them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from cenote.errors import ShapeError

__all__ = ["PackedShortConv", "causal_convolution", "hide_unattended", "is_causal_depthwise", "is_short_conv"]


@lru_cache(maxsize=32)  # all layers of a forward ask for the same
def _crossing(lengths: tuple[int, ...], back: int, device: torch.device) -> Tensor:
    """Return the rows, less `back`, whose token `back` places before them belongs to another sequence."""
    rows: list[int] = []
    start = 0
    for length in lengths:
        rows.extend(row - back for row in range(start, start + min(back, length)) if row >= back)
        start += length
    return torch.tensor(rows, dtype=torch.int64, device=device)


@lru_cache(maxsize=32)
def _unattended(lengths: tuple[int, ...], key_lengths: tuple[int, ...], device: torch.device) -> Tensor:
    """Return the rows of the tokens that others may not attend to."""
    rows: list[int] = []
    start = 0
    for length, key_length in zip(lengths, key_lengths, strict=True):
        rows.extend(range(start + key_length, start + length))
        start += length
    return torch.tensor(rows, dtype=torch.int64, device=device)


def hide_unattended(rows: Tensor, lengths: tuple[int, ...], key_lengths: tuple[int, ...]) -> Tensor:
    """Return [1, T, hidden] with zeros for the tokens that others may not attend to."""
    if lengths == key_lengths:
        return rows
    return rows.index_fill(1, _unattended(lengths, key_lengths, rows.device), 0.0)


def causal_convolution(rows: Tensor, weight: Tensor, bias: Tensor | None, lengths: Sequence[int]) -> Tensor:
    """Mix each token with those before it, channel by channel, within each sequence.

    Args:
        rows: [T, channels], sequences end to end.
        weight: [channels, taps]; the last tap is for the token itself, the one before it for its predecessor.
        bias: [channels], added to each token.
        lengths: tokens per sequence.

    Returns:
        [T, channels] in the dtype of `rows`; sums are taken in float32.

    Source: the depthwise `Conv1d` of LFM2 in transformers, whose padding puts zeros before a sequence.
    """
    exact, taps = rows.float(), weight.float()
    out = exact * taps[:, -1]
    if bias is not None:
        out += bias.float()
    for back in range(1, min(taps.shape[1], len(rows))):
        earlier = exact[:-back] * taps[:, -1 - back]
        crossing = _crossing(tuple(lengths), back, rows.device)
        out[back:] += earlier.index_fill_(0, crossing, 0.0)
    return out.to(rows.dtype)


class PackedShortConv(nn.Module):
    """The short convolution of LFM2 over a packed batch.

    Tokens that others may not attend to enter it as zeros, as transformers 5.20 and later has them enter where its
    attention mask hides them, in batches of any size.
    """

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.in_proj: nn.Module = layer.in_proj
        self.conv: nn.Conv1d = layer.conv
        self.out_proj: nn.Module = layer.out_proj

    def forward(
        self,
        hidden_states: Tensor,
        past_key_values: None = None,
        attention_mask: None = None,
        *,
        packed_lengths: Sequence[int] | None = None,
        packed_key_lengths: Sequence[int] | None = None,
        **_: Any,
    ) -> Tensor:
        """Return [1, T, hidden] of [1, T, hidden].

        Raises:
            ShapeError: the call is not one of a packed batch.
        """
        if packed_lengths is None or packed_key_lengths is None:
            raise ShapeError("A packed convolution was called without sequence lengths.")
        if past_key_values is not None or attention_mask is not None:
            raise ShapeError("A packed convolution knows no caches and no attention masks.")
        lengths = tuple(packed_lengths)
        hidden_states = hide_unattended(hidden_states, lengths, tuple(packed_key_lengths))
        before, after, values = self.in_proj(hidden_states).chunk(3, dim=-1)
        mixed = causal_convolution((before * values)[0], self.conv.weight[:, 0], self.conv.bias, lengths)
        result: Tensor = self.out_proj(after * mixed[None])
        return result


def is_short_conv(layer: Any) -> bool:
    """Tell whether a layer is one depthwise convolution, left-padded with zeros, between two projections."""
    names = {name for name, _ in layer.named_children()}
    return names == {"in_proj", "conv", "out_proj"} and is_causal_depthwise(layer.conv)


def is_causal_depthwise(conv: Any) -> bool:
    """Tell whether a layer is a convolution that mixes each channel with itself, left-padded with zeros."""
    return (
        type(conv) is nn.Conv1d
        and conv.groups == conv.in_channels == conv.out_channels
        and conv.stride == conv.dilation == (1,)
        and conv.padding_mode == "zeros"
        and conv.padding == (conv.kernel_size[0] - 1,)
    )
