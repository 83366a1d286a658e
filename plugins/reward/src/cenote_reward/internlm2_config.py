"""The config of InternLM2 in the words of Llama, whose arithmetic it shares."""

from __future__ import annotations

from typing import Any

from cenote.checkpoints.repairs import refuse_unless
from cenote.errors import CheckpointError

__all__ = ["to_llama"]

_REQUIRED = ("hidden_size", "intermediate_size", "num_attention_heads", "num_hidden_layers", "vocab_size")
#: What InternLM2Config takes where the file is silent, for keys whose default differs from LlamaConfig's.
_DEFAULTS: dict[str, Any] = {"bias": True, "max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "hidden_act": "silu"}
#: Names of `rope_scaling` types; transformers computes both with the formulas of InternLM2's own code.
_ROPE_TYPES = ("linear", "dynamic")


def to_llama(config: dict[str, Any]) -> dict[str, Any]:
    """Translate a config of `model_type` `internlm2` to `llama`.

    Raises:
        CheckpointError: a size is missing, or the file asks for something that Llama does not compute.

    Source: `configuration_internlm2.py` and `modeling_internlm2.py` of internlm/internlm2-1_8b-reward.
    """
    if config.get("model_type") != "internlm2":
        return config
    refuse_unless(config, "InternLM2", {"hidden_act": ("silu",)})
    missing = [key for key in _REQUIRED if not isinstance(config.get(key), int)]
    if missing:
        raise CheckpointError(f"This InternLM2 config has no number for {', '.join(missing)}.")
    heads = config["num_attention_heads"]
    native = {**_DEFAULTS, **config}
    for key in ("rope_theta", "rope_scaling", "auto_map", "attn_implementation"):
        native.pop(key, None)
    native["model_type"] = "llama"
    native["attention_bias"] = bool(native.pop("bias"))
    native["mlp_bias"] = False
    native["num_key_value_heads"] = config.get("num_key_value_heads") or heads
    if config["hidden_size"] % heads or heads % native["num_key_value_heads"]:
        raise CheckpointError(
            f"This InternLM2 config does not divide: hidden_size {config['hidden_size']}, {heads} heads, "
            f"{native['num_key_value_heads']} key-value heads."
        )
    native["head_dim"] = config["hidden_size"] // heads
    native["rope_parameters"] = _rope(config)
    return native


def _rope(config: dict[str, Any]) -> dict[str, Any]:
    theta = float(config.get("rope_theta", 10000.0))
    scaling = config.get("rope_scaling")
    if scaling is None:
        return {"rope_type": "default", "rope_theta": theta}
    kind = scaling.get("type", scaling.get("rope_type")) if isinstance(scaling, dict) else None
    factor = scaling.get("factor") if isinstance(scaling, dict) else None
    if kind not in _ROPE_TYPES or not isinstance(factor, int | float) or factor < 1:
        raise CheckpointError(
            f"This InternLM2 checkpoint has rope_scaling = {scaling!r}; known are {' and '.join(_ROPE_TYPES)}, "
            "with a factor of at least 1. Give another with hf_overrides."
        )
    return {"rope_type": kind, "rope_theta": theta, "factor": float(factor)}
