"""Tiny look-alikes of the published reward models, and InternLM2's forward pass in plain torch."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cenote.testing.checkpoints.decoder_tokenizers import DECODER_TOKENIZERS
from cenote.testing.checkpoints.pieces import byte_level_model, sentencepiece_bpe_model
from cenote.testing.checkpoints.tokenizer import TinyTokenizer, ids_of, template
from cenote.testing.checkpoints.weights import random_tensor, write_weights

Build = Callable[..., Path]
#: As published: no generation prompt, and the reward token at the end.
INTERNLM2_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    "{{ '<|reward|>' }}"
)
QWEN_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + "
    "'\n' }}{% endfor %}"
)
_SIZES = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_hidden_layers": 2}


def internlm2_tokenizer() -> TinyTokenizer:
    """InternLM2's SentencePiece BPE, which puts `<s>` in front of plain texts."""
    named = ("<unk>", "<s>", "</s>", "<|reward|>", "<|im_end|>", "<|im_start|>")
    model = sentencepiece_bpe_model(named, "<unk>")
    published = DECODER_TOKENIZERS["llama"]()
    return TinyTokenizer(
        model=model,
        special={"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "</s>"},
        extra_special=named[3:],
        pipeline={
            **published.pipeline,
            "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
            "post_processor": template(ids_of(model), ["<s>"], [], ["<s>"]),
        },
        settings={
            "tokenizer_class": "InternLM2Tokenizer",
            "auto_map": {"AutoTokenizer": ["tokenization_internlm2.InternLM2Tokenizer", None]},
            "chat_template": INTERNLM2_TEMPLATE,
        },
    )


def internlm2_config(tokenizer: TinyTokenizer, **changes: Any) -> dict[str, Any]:
    """Return the published keys of `config.json`."""
    return {
        "architectures": ["InternLM2ForRewardModel"],
        "attn_implementation": "eager",
        "auto_map": {
            "AutoConfig": "configuration_internlm2.InternLM2Config",
            "AutoModel": "modeling_internlm2.InternLM2ForRewardModel",
        },
        "bias": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "initializer_range": 0.02,
        "max_position_embeddings": 256,
        "model_type": "internlm2",
        "num_key_value_heads": 2,
        "pad_token_id": 2,
        "reward_token_id": tokenizer.id("<|reward|>"),
        "rms_norm_eps": 1e-5,
        "rope_scaling": None,
        "rope_theta": 1000000,
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
        "use_cache": True,
        "vocab_size": tokenizer.vocab_size,
        **_SIZES,
        **changes,
    }


def internlm2_tensors(config: dict[str, Any]) -> dict[str, Tensor]:
    """Return random weights under the published names."""
    size, inner = config["hidden_size"], config["intermediate_size"]
    rows = (config["num_attention_heads"] + 2 * config["num_key_value_heads"]) * size // config["num_attention_heads"]
    shapes: dict[str, tuple[int, ...]] = {
        "model.tok_embeddings.weight": (config["vocab_size"], size),
        "model.norm.weight": (size,),
        "v_head.weight": (1, size),
    }
    for layer in range(config["num_hidden_layers"]):
        parts: dict[str, tuple[int, ...]] = {
            "attention.wqkv.weight": (rows, size),
            "attention.wo.weight": (size, size),
            "attention_norm.weight": (size,),
            "ffn_norm.weight": (size,),
            "feed_forward.w1.weight": (inner, size),
            "feed_forward.w3.weight": (inner, size),
            "feed_forward.w2.weight": (size, inner),
        }
        if config["bias"]:
            parts |= {"attention.wqkv.bias": (rows,), "attention.wo.bias": (size,)}
        shapes |= {f"model.layers.{layer}.{name}": shape for name, shape in parts.items()}
    return {name: _fill(name, shape) for name, shape in shapes.items()}


def _fill(name: str, shape: tuple[int, ...]) -> Tensor:
    if len(shape) == 1:
        return random_tensor(name, shape, 0.15) + (0.0 if name.endswith("bias") else 1.0)
    return random_tensor(name, shape, 1.0 if "tok_embeddings" in name else 1.2 * shape[-1] ** -0.5)


def write_json(folder: Path, files: dict[str, Any]) -> None:
    """Write files of a checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=2), encoding="utf-8")


@pytest.fixture
def build_internlm2(tmp_path: Path) -> Build:
    """Write a tiny `internlm2-1_8b-reward`; keywords change `config.json`, or how weights are written."""

    def build(*, sharded: bool = False, safetensors: bool = True, **changes: Any) -> Path:
        tokenizer = internlm2_tokenizer()
        config = internlm2_config(tokenizer, **changes)
        write_json(tmp_path, {"config.json": config, **tokenizer.files(config["max_position_embeddings"])})
        write_weights(internlm2_tensors(config), tmp_path, sharded=sharded, safetensors=safetensors)
        return tmp_path

    return build


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
    """Return the value of every token [n] by the arithmetic of the published `modeling_internlm2.py`."""
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


@pytest.fixture
def plain_values() -> Callable[[Path, list[int]], Tensor]:
    """From a folder and ids to the value of every token [n], by plain arithmetic."""

    def compute(folder: Path, ids: list[int]) -> Tensor:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return internlm2_values(config, internlm2_tensors(config), ids)

    return compute


def qwen_tokenizer() -> TinyTokenizer:
    """Qwen2.5-Math's tokenizer with the token that ends a step."""
    published = DECODER_TOKENIZERS["qwen2"]()
    specials = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<extra_0>")
    pattern: str = published.pipeline["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]
    return TinyTokenizer(
        model=byte_level_model((), specials, pattern),
        special=published.special,
        extra_special=specials,
        pipeline=published.pipeline,
        settings={**published.settings, "chat_template": QWEN_TEMPLATE},
    )


@pytest.fixture
def build_qwen(tmp_path: Path) -> Build:
    """Write a tiny Qwen2.5-Math-RM (1 output) or PRM (2 outputs); keywords change `config.json`."""

    def build(outputs: int, *, drop: tuple[str, ...] = (), **changes: Any) -> Path:
        from transformers import Qwen2Config, Qwen2ForCausalLM

        from cenote.testing.checkpoints.weights import fill_parameters

        tokenizer = qwen_tokenizer()
        name = "Qwen2ForRewardModel" if outputs == 1 else "Qwen2ForProcessRewardModel"
        config = {
            "architectures": [name],
            "auto_map": {
                "AutoConfig": "configuration_qwen2_rm.Qwen2RMConfig",
                "AutoModel": f"modeling_qwen2_rm.{name}",
            },
            "bos_token_id": 0,
            "eos_token_id": 2,
            "hidden_act": "silu",
            "max_position_embeddings": 256,
            "model_type": "qwen2",
            "num_key_value_heads": 2,
            "rms_norm_eps": 1e-6,
            "rope_theta": 10000.0,
            "sliding_window": 4096,
            "tie_word_embeddings": False,
            "torch_dtype": "float32",
            "use_sliding_window": False,
            "vocab_size": tokenizer.vocab_size,
            **_SIZES,
            **changes,
        }
        native = {key: value for key, value in config.items() if key not in ("architectures", "auto_map")}
        with torch.random.fork_rng(devices=[]):
            model = Qwen2ForCausalLM(Qwen2Config(**native))
        fill_parameters(model, name, gain=1.2, embedding_std=1.0)
        size = config["hidden_size"]
        tensors = {key: value.detach().clone() for key, value in model.named_parameters()}
        for layer, shape in (("score.0", (size, size)), ("score.2", (outputs, size))):
            tensors[f"{layer}.weight"] = random_tensor(f"{name}.{layer}", shape, 1.5 * size**-0.5)
            tensors[f"{layer}.bias"] = random_tensor(f"{name}.{layer}.bias", shape[:1], 0.3)
        write_json(tmp_path, {"config.json": config, **tokenizer.files(256)})
        kept = {key: value for key, value in tensors.items() if key not in drop}
        write_weights(kept, tmp_path, sharded=False, safetensors=True)
        return tmp_path

    return build
