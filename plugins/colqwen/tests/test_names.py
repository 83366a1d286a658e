"""The published names of all tensors, at the real sizes, become those of transformers' models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from transformers import Qwen3_5Config, Qwen3_5Model, Qwen3VLConfig, Qwen3VLModel

from cenote_colqwen.weights import read_names

_BLOCK = (
    *(f"{norm}.{part}" for norm in ("norm1", "norm2") for part in ("weight", "bias")),
    *(f"{layer}.{part}" for layer in ("attn.qkv", "attn.proj") for part in ("weight", "bias")),
    *(f"{layer}.{part}" for layer in ("mlp.linear_fc1", "mlp.linear_fc2") for part in ("weight", "bias")),
)
_MERGER = tuple(f"{layer}.{part}" for layer in ("norm", "linear_fc1", "linear_fc2") for part in ("weight", "bias"))
_SHARED = (
    "input_layernorm.weight",
    "post_attention_layernorm.weight",
    *(f"mlp.{name}_proj.weight" for name in ("gate", "up", "down")),
)
_FULL = tuple(f"self_attn.{name}.weight" for name in ("q_proj", "k_proj", "v_proj", "o_proj", "q_norm", "k_norm"))
_LINEAR = tuple(
    f"linear_attn.{name}"
    for name in (
        *(f"in_proj_{part}.weight" for part in ("qkv", "z", "b", "a")),
        "dt_bias",
        "A_log",
        "conv1d.weight",
        "norm.weight",
        "out_proj.weight",
    )
)


def _visual(depth: int, deepstack: int) -> Iterator[str]:
    yield from (f"visual.{name}" for name in ("patch_embed.proj.weight", "patch_embed.proj.bias", "pos_embed.weight"))
    yield from (f"visual.blocks.{block}.{name}" for block in range(depth) for name in _BLOCK)
    yield from (f"visual.merger.{name}" for name in _MERGER)
    yield from (f"visual.deepstack_merger_list.{at}.{name}" for at in range(deepstack) for name in _MERGER)


def _language(layers: int, linear: bool) -> Iterator[str]:
    yield from (f"language_model.{name}.weight" for name in ("embed_tokens", "norm"))
    for layer in range(layers):
        own = _LINEAR if linear and (layer + 1) % 4 else _FULL
        yield from (f"language_model.layers.{layer}.{name}" for name in (*_SHARED, *own))


def _head(name: str) -> tuple[str, str]:
    return f"{name}.weight", f"{name}.bias"


#: Published text and vision sizes, how the names begin, what else is stored, and how many tensors are the backbone's.
_QWEN3_4B: dict[str, Any] = {
    "text": {"hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36, "num_key_value_heads": 8},
    "vision": {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "depth": 24,
        "out_hidden_size": 2560,
        "deepstack_visual_indexes": [5, 11, 17],
    },
    "count": 713,
}
_QWEN3_8B: dict[str, Any] = {
    "text": {"hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36, "num_key_value_heads": 8},
    "vision": {"hidden_size": 1152, "intermediate_size": 4304, "depth": 27, "out_hidden_size": 4096},
    "count": 749,
}
_QWEN3_5_4B: dict[str, Any] = {
    "text": {"hidden_size": 2560, "intermediate_size": 9216, "num_hidden_layers": 32},
    "vision": {"hidden_size": 1024, "intermediate_size": 4096, "depth": 24, "out_hidden_size": 2560},
    "count": 723,
}
_TOMORO_4B, _TOMORO_8B = (
    {"prefix": "vlm.model.", "head": _head("embedding_proj_layer"), "unused": unused}
    for unused in ((), ("vlm.lm_head.weight",))
)
_MODELS: dict[str, dict[str, Any]] = {
    "tomoro-colqwen3-embed-4b": _QWEN3_4B | _TOMORO_4B,
    "tomoro-colqwen3-embed-8b": _QWEN3_8B | _TOMORO_8B,
    "Ops-Colqwen3-4B": _QWEN3_4B | {"prefix": "", "head": _head("custom_text_proj"), "unused": ()},
    "nemotron-colembed-vl-4b-v2": _QWEN3_4B | {"prefix": "model.", "head": (), "unused": ("lm_head.weight",)},
    "nemotron-colembed-vl-8b-v2": _QWEN3_8B | {"prefix": "model.", "head": (), "unused": ("lm_head.weight",)},
    "colqwen3.5-4.5B-v3": _QWEN3_5_4B
    | {
        "prefix": "",
        "head": _head("custom_text_proj"),
        "unused": ("mtp.fc.weight", "mtp.layers.0.mlp.up_proj.weight"),
        "linear": True,
    },
}


@pytest.mark.parametrize("name", _MODELS)
def test_every_published_name_becomes_one_of_transformers(name: str) -> None:
    model = _MODELS[name]
    published = _published(model)
    stored = [*(model["prefix"] + own for own in published), *model["head"], *model["unused"]]
    names = read_names(stored, name)
    assert names.backbone == _names_of_transformers(model)
    assert len(names.backbone) == model["count"]
    assert set(names.head.values()) == set(model["head"])
    assert set(names.unused) == set(model["unused"])


def _published(model: dict[str, Any]) -> list[str]:
    linear = model.get("linear", False)
    deepstack = 0 if linear else 3
    return [*_visual(model["vision"]["depth"], deepstack), *_language(model["text"]["num_hidden_layers"], linear)]


def _names_of_transformers(model: dict[str, Any]) -> set[str]:
    sizes = {"text_config": model["text"], "vision_config": model["vision"]}
    with torch.device("meta"):
        if model.get("linear", False):
            return set(Qwen3_5Model(Qwen3_5Config(**sizes)).state_dict())
        return set(Qwen3VLModel(Qwen3VLConfig(**sizes)).state_dict())
