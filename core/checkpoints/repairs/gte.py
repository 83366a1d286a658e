"""Alibaba GTE (`model_type: new`): retagged for transformers' GteModel, its NTK rotary scaling included."""

from __future__ import annotations

from typing import Any

from cenote.checkpoints.repairs import refuse_unless
from cenote.errors import CheckpointError

__all__ = ["repair_gte"]

_IMPLEMENTED: dict[str, tuple[Any, ...]] = {
    "layer_norm_type": ("layer_norm",),
    "position_embedding_type": ("rope",),
    "pack_qkv": (True,),
    "logn_attention_scale": (False,),
    "logn_attention_clip1": (False,),
}


def repair_gte(config: dict[str, Any]) -> dict[str, Any]:
    """Translate a config of `model_type` `new` to `gte`.

    Raises:
        CheckpointError: the model has parts that transformers' class lacks, or a rotary scaling that is not known.

    Source: of the NTK rule, text-embeddings-inference and vLLM 0.32: with base b, factor s and head size d,
    `inv_freq[k] = (b * s) ** (-2 * k / d) / s ** (2 / d)` at every length. That is transformers' `linear` RoPE with
    base b * s and factor s ** (2 / d).
    """
    if config.get("model_type") != "new":
        return config
    refuse_unless(config, "GTE", _IMPLEMENTED)
    native = {key: value for key, value in config.items() if key not in ("rope_theta", "rope_scaling")}
    native["model_type"] = "gte"
    native["rope_parameters"] = _rope(config)
    return native


def _rope(config: dict[str, Any]) -> dict[str, Any]:
    theta = float(config.get("rope_theta", 10000.0))
    scaling = config.get("rope_scaling")
    if not scaling:
        return {"rope_type": "default", "rope_theta": theta}
    factor = scaling.get("factor") if isinstance(scaling, dict) else None
    known = isinstance(scaling, dict) and scaling.get("type", scaling.get("rope_type")) == "ntk"
    if not known or scaling.get("mixed_b") is not None or not isinstance(factor, int | float) or factor < 1:
        raise CheckpointError(
            f"This GTE checkpoint has rope_scaling = {scaling!r}; known is "
            "{'type': 'ntk', 'factor': f} with f of at least 1. Give another with hf_overrides, or install a plugin."
        )
    head_size = config["hidden_size"] // config["num_attention_heads"]
    return {"rope_type": "linear", "rope_theta": theta * factor, "factor": factor ** (2 / head_size)}
