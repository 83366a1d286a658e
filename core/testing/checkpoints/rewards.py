"""Reward models: a conversation in, one number (or one per step of a solution) out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cenote.testing.checkpoints.classifiers import with_head
from cenote.testing.checkpoints.decoder_tokenizers import DECODER_TOKENIZERS
from cenote.testing.checkpoints.decoders import DECODERS
from cenote.testing.checkpoints.family import Family, Tensors
from cenote.testing.checkpoints.templates import INTERNLM2, LLAMA3, QWEN, QWEN_MATH
from cenote.testing.checkpoints.tokenizer import TinyTokenizer

__all__ = ["REWARDS"]

_CONFIG = {entry.name: entry.config for entry in DECODERS}
_ONE = ("LABEL_0",)


def _internlm2(tokenizer: TinyTokenizer) -> dict[str, Any]:
    remote = "modeling_internlm2.InternLM2ForRewardModel"
    return {
        "model_type": "internlm2",
        "attn_implementation": "eager",
        "auto_map": {"AutoConfig": "configuration_internlm2.InternLM2Config", "AutoModel": remote},
        "bias": False,
        "bos_token_id": tokenizer.role("bos_token"),
        "eos_token_id": tokenizer.role("eos_token"),
        "hidden_act": "silu",
        "hidden_size": 32,
        "initializer_range": 0.02,
        "intermediate_size": 48,
        "max_position_embeddings": 512,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "pad_token_id": tokenizer.role("pad_token"),
        "reward_token_id": tokenizer.id("<|reward|>"),
        "rms_norm_eps": 1e-5,
        "rope_scaling": None,
        "rope_theta": 1000000,
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
        "use_cache": True,
        "vocab_size": tokenizer.vocab_size,
    }


def _as_llama(config: dict[str, Any]) -> dict[str, Any]:
    foreign = {"model_type", "auto_map", "attn_implementation", "bias", "reward_token_id", "torch_dtype"}
    return {key: value for key, value in config.items() if key not in foreign}


_INTERNLM2_NAMES = {
    "self_attn.o_proj": "attention.wo",
    "input_layernorm": "attention_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "feed_forward.w1",
    "mlp.up_proj": "feed_forward.w3",
    "mlp.down_proj": "feed_forward.w2",
    "embed_tokens": "tok_embeddings",
}


def _pack_internlm2(tensors: Tensors, config: Mapping[str, Any]) -> Tensors:
    """Rename Llama's tensors, and weave queries, keys and values into `wqkv`.

    Its rows are, for each key-value head: the query heads that share it, the key head, the value head.
    """
    import torch

    kv_heads = config["num_key_value_heads"]
    packed = {}
    for name, value in tensors.items():
        if "k_proj" in name or "v_proj" in name:
            continue
        if "q_proj" not in name:
            packed[_internlm2_name(name)] = value
            continue
        parts = [tensors[name.replace("q_proj", part)] for part in ("q_proj", "k_proj", "v_proj")]
        grouped = torch.cat([part.view(kv_heads, -1, part.shape[-1]) for part in parts], dim=1)  # [kv, rows, hidden]
        packed[name.replace("self_attn.q_proj", "attention.wqkv")] = grouped.reshape(-1, value.shape[-1])
    return packed


def _internlm2_name(name: str) -> str:
    for theirs, published in _INTERNLM2_NAMES.items():
        name = name.replace(f"{theirs}.weight", f"{published}.weight")
    return name


def _math(name: str) -> Any:
    def config(tokenizer: TinyTokenizer) -> dict[str, Any]:
        remote = f"modeling_qwen2_rm.{name}"
        auto_map = {"AutoConfig": "configuration_qwen2_rm.Qwen2RMConfig", "AutoModel": remote}
        plain = _CONFIG["qwen2"](tokenizer) | {"auto_map": auto_map, "rope_theta": 10000.0}
        return {key: value for key, value in plain.items() if key != "pad_token_id"}

    return config


def _math_head(outputs: int, *, lm_head: bool) -> Any:
    def shapes(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
        size = config["hidden_size"]
        head: dict[str, tuple[int, ...]] = {"score.0.weight": (size, size), "score.0.bias": (size,)}
        head |= {"score.2.weight": (outputs, size), "score.2.bias": (outputs,)}
        return head | ({"lm_head.weight": (config["vocab_size"], size)} if lm_head else {})

    return shapes


def _qwen2_math(name: str, architecture: str, outputs: int, *, lm_head: bool) -> Family:
    return with_head(
        "qwen2",
        name,
        "Qwen2Model",
        architecture=architecture,
        prefix="model.",
        config=_math(architecture),
        heads=_math_head(outputs, lm_head=lm_head),
        tokenizer=DECODER_TOKENIZERS["qwen_math"],
        chat_template=QWEN_MATH,
        head_gain=1.0,
    )


REWARDS: tuple[Family, ...] = (
    # internlm/internlm2-1_8b-reward
    with_head(
        "llama",
        "internlm2_reward",
        "LlamaModel",
        architecture="InternLM2ForRewardModel",
        prefix="model.",
        config=_internlm2,
        native=_as_llama,
        native_layout=False,
        publish=_pack_internlm2,
        heads=lambda config: {"v_head.weight": (1, config["hidden_size"])},
        tokenizer=DECODER_TOKENIZERS["internlm2"],
        chat_template=INTERNLM2,
        head_gain=1.0,
    ),
    # Qwen/Qwen2.5-Math-PRM-7B and Qwen2.5-Math-RM-72B; whether lm_head is in the file is not known, so one has it
    _qwen2_math("qwen_math_prm", "Qwen2ForProcessRewardModel", 2, lm_head=True),
    _qwen2_math("qwen_math_rm", "Qwen2ForRewardModel", 1, lm_head=False),
    # Skywork-Reward-Llama-3.1-8B, and Skywork-Reward-V2 on Qwen3
    with_head(
        "llama3",
        "skywork_reward",
        "LlamaForSequenceClassification",
        labels=_ONE,
        tokenizer=DECODER_TOKENIZERS["llama3_chat"],
        chat_template=LLAMA3,
    ),
    with_head(
        "qwen3",
        "skywork_reward_v2",
        "Qwen3ForSequenceClassification",
        labels=_ONE,
        tokenizer=DECODER_TOKENIZERS["qwen_answers"],
        chat_template=QWEN,
    ),
)
