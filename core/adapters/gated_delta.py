"""Run the linear attention of Qwen3.5 over packed sequences, without a state that passes from one into the next.

transformers' own layer runs over the whole row. The layers put in its place have the same children and parameters under
the same names, so that low-rank adapters and prepared linear layers find them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from cenote.adapters.delta_rule import gated_delta_rule
from cenote.adapters.short_conv import causal_convolution, hide_unattended, is_causal_depthwise
from cenote.errors import ShapeError

__all__ = ["PackedGatedDelta", "is_gated_delta"]

_CHILDREN = {"conv1d", "norm", "out_proj", "in_proj_qkv", "in_proj_z", "in_proj_b", "in_proj_a"}


class PackedGatedDelta(nn.Module):
    """`Qwen3_5GatedDeltaNet` over a packed batch.

    Tokens that others may not attend to enter it as zeros, as transformers has them enter where its mask hides them.
    """

    def __init__(self, layer: Any) -> None:
        """Take over the parts of a model's own layer.

        Args:
            layer: one for which `is_gated_delta` is true.
        """
        super().__init__()
        self.in_proj_qkv: nn.Module = layer.in_proj_qkv
        self.in_proj_z: nn.Module = layer.in_proj_z
        self.in_proj_b: nn.Module = layer.in_proj_b
        self.in_proj_a: nn.Module = layer.in_proj_a
        self.conv1d: nn.Conv1d = layer.conv1d
        self.norm: nn.Module = layer.norm
        self.out_proj: nn.Module = layer.out_proj
        self.A_log: nn.Parameter = layer.A_log
        self.dt_bias: nn.Parameter = layer.dt_bias
        self.key_width: int = layer.head_k_dim
        self.value_width: int = layer.head_v_dim
        self.sizes: list[int] = [layer.key_dim, layer.key_dim, layer.value_dim]

    def forward(
        self,
        hidden_states: Tensor,
        cache_params: Any = None,
        attention_mask: Tensor | None = None,
        *,
        packed_lengths: Sequence[int] | None = None,
        packed_key_lengths: Sequence[int] | None = None,
        **others: Any,
    ) -> Tensor:
        """Mix [1, T, hidden] along each sequence.

        Args:
            hidden_states: the packed row.
            cache_params: must be None.
            attention_mask: must be None; borders come from the lengths.
            packed_lengths: tokens per sequence; required.
            packed_key_lengths: per sequence, leading tokens that others attend to; required.
            **others: what transformers tells every layer.

        Returns:
            [1, T, hidden].

        Raises:
            ShapeError: the call is not one of a packed batch.

        Source: the forward of `Qwen3_5GatedDeltaNet` in transformers 5.23.
        """
        if packed_lengths is None or packed_key_lengths is None:
            raise ShapeError("Packed linear attention was called without sequence lengths.")
        if cache_params is not None or attention_mask is not None:
            raise ShapeError("Packed linear attention knows no caches and no attention masks.")
        lengths = tuple(packed_lengths)
        rows = hide_unattended(hidden_states, lengths, tuple(packed_key_lengths))
        mixed = causal_convolution(self.in_proj_qkv(rows)[0], self.conv1d.weight[:, 0], self.conv1d.bias, lengths)
        query, key, value = F.silu(mixed).split_with_sizes(self.sizes, dim=-1)
        # In float32, as transformers does: half precision makes an infinity of the exponential.
        rate = F.softplus(self.in_proj_a(rows)[0].float() + self.dt_bias)
        read = gated_delta_rule(
            query.view(len(mixed), -1, self.key_width),
            key.view(len(mixed), -1, self.key_width),
            value.view(len(mixed), -1, self.value_width),
            decay=-self.A_log.float().exp() * rate,
            beta=self.in_proj_b(rows)[0].sigmoid(),
            lengths=lengths,
        )
        gate = self.in_proj_z(rows)[0].view(read.shape)
        normed = self.norm(read.flatten(0, 1), gate.flatten(0, 1)).view(read.shape)
        result: Tensor = self.out_proj(normed.flatten(1)[None])
        return result


def is_gated_delta(layer: Any) -> bool:
    """Tell whether a layer is one that `PackedGatedDelta` computes; Qwen3-Next's has other projections, and is not."""
    parameters = {name for name, _ in layer.named_parameters(recurse=False)}
    return (
        {name for name, _ in layer.named_children()} == _CHILDREN
        and parameters == {"A_log", "dt_bias"}
        and is_causal_depthwise(layer.conv1d)
        and layer.activation in ("silu", "swish")
        and layer.in_proj_qkv.weight.shape[0] == 2 * layer.key_dim + layer.value_dim == layer.conv1d.out_channels
        and layer.value_dim == layer.head_v_dim * layer.num_v_heads
        and layer.key_dim == layer.head_k_dim * layer.num_k_heads
        and layer.num_v_heads % layer.num_k_heads == 0
    )
