"""InternLM2's forward pass in plain torch, for look-alikes with any of its settings."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cenote.checkpoints import open_checkpoint
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.checkpoints.weights import random_tensor, write_weights

Build = Callable[..., Path]


@pytest.fixture
def build_internlm2(tmp_path: Path) -> Build:
    """Write a tiny `internlm2-1_8b-reward`; keywords change `config.json`, or how weights are written."""

    def build(*, sharded: bool = False, safetensors: bool = True, **changes: Any) -> Path:
        layout = {"sharded": sharded, "safetensors": safetensors}
        folder = build_checkpoint("internlm2_reward", tmp_path, config=changes, **layout)
        if {"bias", "num_key_value_heads"} & set(changes):  # the projections have other shapes
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            write_weights(_reshaped(open_checkpoint(str(folder)).read_tensors(""), config), folder, **layout)
        return folder

    return build


def _reshaped(tensors: dict[str, Tensor], config: dict[str, Any]) -> dict[str, Tensor]:
    size, heads = config["hidden_size"], config["num_attention_heads"]
    rows = (heads + 2 * config["num_key_value_heads"]) * size // heads
    found = dict(tensors)
    for name in tensors:
        if name.endswith("wqkv.weight"):
            found[name] = random_tensor(name, (rows, size), size**-0.5)
        if config["bias"] and name.endswith(("wqkv.weight", "wo.weight")):
            bias = name.replace("weight", "bias")
            found[bias] = random_tensor(bias, (rows if "wqkv" in name else size,), 0.3)
    return found


@pytest.fixture
def plain_values() -> Callable[[Path, list[int]], Tensor]:
    """From a folder and ids to the value of every token [n], by plain arithmetic."""

    def compute(folder: Path, ids: list[int]) -> Tensor:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return internlm2_values(config, open_checkpoint(str(folder)).read_tensors(""), ids)

    return compute


def rms_norm(rows: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Return InternLM2RMSNorm of [n, h]."""
    return weight * rows * torch.rsqrt(rows.pow(2).mean(-1, keepdim=True) + eps)


def rotate(states: Tensor, frequencies: Tensor, stretch: float) -> Tensor:
    """Apply rotary positions to [n, heads, d]."""
    angles = torch.arange(len(states))[:, None] / stretch * frequencies  # [n, d / 2]
    cos, sin = (torch.cat((part, part), -1)[:, None] for part in (angles.cos(), angles.sin()))
    first, second = states.chunk(2, -1)
    return states * cos + torch.cat((-second, first), -1) * sin


def frequencies_of(config: dict[str, Any], length: int) -> tuple[Tensor, float]:
    """Return rotary frequencies and what positions are divided by, as InternLM2's three rotary classes."""
    size = config["hidden_size"] // config["num_attention_heads"]
    base, stretch, limit = float(config["rope_theta"]), 1.0, config["max_position_embeddings"]
    scaling = config["rope_scaling"] or {"type": None}
    if scaling["type"] == "linear":
        stretch = scaling["factor"]
    if scaling["type"] == "dynamic" and length > limit:
        factor = scaling["factor"]
        base *= (factor * length / limit - (factor - 1)) ** (size / (size - 2))
    return 1.0 / base ** (torch.arange(0, size, 2).float() / size), stretch


def internlm2_values(config: dict[str, Any], weights: dict[str, Tensor], ids: list[int]) -> Tensor:
    """Return the value of every token [n].

    Source: `modeling_internlm2.py` of internlm/internlm2-1_8b-reward: `InternLM2Attention.forward` splits the fused
    projection as `b q (h gs d) -> b q h gs d`, gs = g + 2.
    """
    heads, shared, eps = config["num_attention_heads"], config["num_key_value_heads"], config["rms_norm_eps"]
    size, groups = config["hidden_size"] // heads, heads // shared
    frequencies, stretch = frequencies_of(config, len(ids))
    mask = torch.full((len(ids), len(ids)), -math.inf).triu(1)
    rows = weights["model.tok_embeddings.weight"][torch.tensor(ids)]
    for layer in range(config["num_hidden_layers"]):
        own = {name.removeprefix(f"model.layers.{layer}."): value for name, value in weights.items()}
        normed = rms_norm(rows, own["attention_norm.weight"], eps)
        fused = normed @ own["attention.wqkv.weight"].T + own.get("attention.wqkv.bias", torch.zeros(()))
        fused = fused.view(len(ids), shared, groups + 2, size)  # [n, kv head, queries then key then value, d]
        query = rotate(fused[:, :, :groups].reshape(len(ids), heads, size), frequencies, stretch)
        key = rotate(fused[:, :, -2], frequencies, stretch).repeat_interleave(groups, 1)
        value = fused[:, :, -1].repeat_interleave(groups, 1)
        scores = torch.einsum("qhd,khd->hqk", query, key) / math.sqrt(size) + mask
        mixed = torch.einsum("hqk,khd->qhd", scores.softmax(-1), value).reshape(len(ids), -1)
        rows = rows + mixed @ own["attention.wo.weight"].T + own.get("attention.wo.bias", torch.zeros(()))
        normed = rms_norm(rows, own["ffn_norm.weight"], eps)
        gate = torch.nn.functional.silu(normed @ own["feed_forward.w1.weight"].T)
        rows = rows + (gate * (normed @ own["feed_forward.w3.weight"].T)) @ own["feed_forward.w2.weight"].T
    return (rms_norm(rows, weights["model.norm.weight"], eps) @ weights["v_head.weight"].T)[:, 0]
