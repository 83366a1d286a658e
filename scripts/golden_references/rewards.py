"""References of reward models whose published code runs on no current transformers: their arithmetic, written anew."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import linear, scaled_dot_product_attention, silu

from cenote.testing.goldens import GoldenRow
from golden_references.base import Reference

__all__ = ["published_rewards"]

Weights = Mapping[str, Tensor]


def published_rewards(row: GoldenRow, folder: Path) -> Reference:
    """InternLM2 on its packed weights, or Qwen2 of transformers with the two layers of Qwen2.5-Math on it."""
    weights = load_file(folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    if config["model_type"] == "internlm2":
        return lambda method, inputs, options: [_internlm2(weights, config, tokenizer, item) for item in inputs]
    backbone = transformers.AutoModel.from_pretrained(folder).eval()
    return lambda method, inputs, options: [_math(backbone, weights, tokenizer, item) for item in inputs]


def _ids(tokenizer: Any, messages: Sequence[Mapping[str, str]]) -> list[int]:
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False)
    return ids


def _math(backbone: Any, weights: Weights, tokenizer: Any, messages: Sequence[Mapping[str, str]]) -> Tensor:
    """Return [1], the value at the last token, or for two outputs [steps, 1], the probability of the second at each."""
    ids = torch.tensor(_ids(tokenizer, messages))
    hidden = backbone(ids[None]).last_hidden_state[0]
    inner = linear(hidden, weights["score.0.weight"], weights["score.0.bias"]).relu()
    values = linear(inner, weights["score.2.weight"], weights["score.2.bias"])  # [tokens, outputs]
    if values.shape[1] == 1:
        return values[-1]
    return values.softmax(dim=-1)[ids == tokenizer.convert_tokens_to_ids("<extra_0>"), 1:]


def _internlm2(
    weights: Weights, config: Mapping[str, Any], tokenizer: Any, messages: Sequence[Mapping[str, str]]
) -> Tensor:
    """Return [1], the value at the reward token, which is added where the template has not written it."""
    ids = _ids(tokenizer, messages)
    if ids[-1] != config["reward_token_id"]:
        ids.append(config["reward_token_id"])
    hidden = weights["model.tok_embeddings.weight"][ids]
    for index in range(config["num_hidden_layers"]):
        layer = {name.removeprefix(f"model.layers.{index}."): value for name, value in weights.items()}
        normed = _rms(hidden, layer["attention_norm.weight"], config)
        hidden = hidden + _attention(normed, layer, config)
        normed = _rms(hidden, layer["ffn_norm.weight"], config)
        gate, up = (linear(normed, layer[f"feed_forward.{name}.weight"]) for name in ("w1", "w3"))
        hidden = hidden + linear(silu(gate) * up, layer["feed_forward.w2.weight"])
    return linear(_rms(hidden, weights["model.norm.weight"], config)[-1], weights["v_head.weight"])


def _rms(hidden: Tensor, weight: Tensor, config: Mapping[str, Any]) -> Tensor:
    return hidden * torch.rsqrt(hidden.square().mean(dim=-1, keepdim=True) + config["rms_norm_eps"]) * weight


def _attention(hidden: Tensor, layer: Weights, config: Mapping[str, Any]) -> Tensor:
    heads, groups = config["num_attention_heads"], config["num_key_value_heads"]
    size = config["hidden_size"] // heads
    packed = linear(hidden, layer["attention.wqkv.weight"]).view(len(hidden), groups, heads // groups + 2, size)
    packed = packed.movedim(0, 2)  # [groups, queries + key + value, tokens, size]
    queries, keys, values = packed[:, :-2], packed[:, -2:-1], packed[:, -1:]
    turned = _rotated(queries, config), _rotated(keys, config)
    mixed = scaled_dot_product_attention(
        turned[0], turned[1].expand_as(queries), values.expand_as(queries), is_causal=True
    )
    return linear(mixed.movedim(2, 0).reshape(len(hidden), heads * size), layer["attention.wo.weight"])


def _rotated(states: Tensor, config: Mapping[str, Any]) -> Tensor:
    """Turn each half of the components against the other, by position."""
    size = states.shape[-1]
    speed = config["rope_theta"] ** (-torch.arange(0, size, 2) / size)
    angle = torch.arange(states.shape[-2])[:, None] * speed
    angle = torch.cat([angle, angle], dim=-1)
    first, second = states.chunk(2, dim=-1)
    return states * angle.cos() + torch.cat([-second, first], dim=-1) * angle.sin()
