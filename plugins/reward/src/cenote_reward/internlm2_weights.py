"""The weights of InternLM2 under the names of Llama: renamed, and the fused projection taken apart."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from cenote.errors import CheckpointError

__all__ = ["to_llama"]

_TOP = {
    "tok_embeddings.weight": "model.embed_tokens.weight",
    "norm.weight": "model.norm.weight",
    "v_head.weight": "v_head.weight",
}
_IN_LAYER = {
    "attention.wo.weight": "self_attn.o_proj.weight",
    "attention.wo.bias": "self_attn.o_proj.bias",
    "attention_norm.weight": "input_layernorm.weight",
    "ffn_norm.weight": "post_attention_layernorm.weight",
    "feed_forward.w1.weight": "mlp.gate_proj.weight",
    "feed_forward.w3.weight": "mlp.up_proj.weight",
    "feed_forward.w2.weight": "mlp.down_proj.weight",
}
_LAYER = re.compile(r"layers\.(\d+)\.(.+)")


def to_llama(tensors: Mapping[str, Tensor], *, heads: int, kv_heads: int, head_dim: int) -> dict[str, Tensor]:
    """Return all weights under the names of a Llama model with a `v_head`.

    Args:
        tensors: as stored, `model.` in front of all but `v_head.weight`.
        heads: query heads.
        kv_heads: key and value heads.
        head_dim: components of one head.

    Raises:
        CheckpointError: a tensor is not one of InternLM2's, or a fused projection has other rows than the config says.
    """
    found: dict[str, Tensor] = {}
    for name, value in tensors.items():
        short = name.removeprefix("model.")
        if short.endswith("rotary_emb.inv_freq"):
            continue  # older files store what the config already says
        layer = _LAYER.fullmatch(short)
        if layer is None and short in _TOP:
            found[_TOP[short]] = value
        elif layer is not None and layer[2] in _IN_LAYER:
            found[f"model.layers.{layer[1]}.{_IN_LAYER[layer[2]]}"] = value
        elif layer is not None and layer[2] in ("attention.wqkv.weight", "attention.wqkv.bias"):
            kind = layer[2].rpartition(".")[2]
            for part, rows in _split(name, value, heads, kv_heads, head_dim).items():
                found[f"model.layers.{layer[1]}.self_attn.{part}_proj.{kind}"] = rows
        else:
            raise CheckpointError(f"The weight files hold {name!r}, which an InternLM2 reward model does not have.")
    return found


def _split(name: str, fused: Tensor, heads: int, kv_heads: int, head_dim: int) -> dict[str, Tensor]:
    """Take the fused projection apart: per key-value head g queries, then a key, then a value.

    Args:
        name: for messages.
        fused: [(heads + 2 * kv_heads) * head_dim, ...].
        heads: query heads; g of them share a key-value head.
        kv_heads: key and value heads.
        head_dim: components of one head.

    Source: `InternLM2Attention.forward` of the published code, `b q (h gs d) -> b q h gs d` with gs = g + 2.
    """
    needed = (heads + 2 * kv_heads) * head_dim
    if fused.shape[0] != needed:
        raise CheckpointError(f"{name} has {fused.shape[0]} rows, the config asks for {needed}.")
    rest = fused.shape[1:]
    groups = heads // kv_heads
    rows = fused.reshape(kv_heads, groups + 2, head_dim, *rest)  # [kv_heads, g + 2, head_dim, ...]
    return {
        "q": rows[:, :groups].reshape(heads * head_dim, *rest),
        "k": rows[:, groups].reshape(kv_heads * head_dim, *rest),
        "v": rows[:, groups + 1].reshape(kv_heads * head_dim, *rest),
    }
