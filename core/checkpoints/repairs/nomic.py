"""nomic-embed: GPT-2 style keys of the published configs, for transformers' NomicBertModel."""

from __future__ import annotations

from typing import Any

from cenote.checkpoints.repairs import refuse_unless
from cenote.errors import CheckpointError

__all__ = ["repair_nomic"]

_RENAMED = {
    "n_embd": "hidden_size",
    "n_layer": "num_hidden_layers",
    "n_head": "num_attention_heads",
    "n_inner": "intermediate_size",
    "layer_norm_epsilon": "layer_norm_eps",
    "n_positions": "max_position_embeddings",
}
#: Both are gated: the first half of the name is the gate, the second its activation.
_ACTIVATIONS = {"swiglu": "silu", "geglu": "gelu"}
_IMPLEMENTED: dict[str, tuple[Any, ...]] = {
    "activation_function": tuple(_ACTIVATIONS),
    "rotary_emb_fraction": (1, 1.0),
    "rotary_emb_interleaved": (False,),
    "rotary_emb_scale_base": (None,),
    "qkv_proj_bias": (False,),
    "mlp_fc1_bias": (False,),
    "mlp_fc2_bias": (False,),
    "prenorm": (False,),
    "parallel_block": (False,),
    "causal": (False,),
    "use_rms_norm": (False, None),
    "moe_every_n_layers": (0, None),
    "num_experts": (0, None),
}


def repair_nomic(config: dict[str, Any]) -> dict[str, Any]:
    """Translate a NomicBert config.

    Dynamic NTK scaling (`rotary_scaling_factor`) becomes transformers' `dynamic` RoPE, which has the same formula,
    starting at `max_trained_positions` tokens.

    Raises:
        CheckpointError: a required key is missing, or the model has parts that transformers' class lacks
            (biases, partial rotary, experts).

    Source: key names as read by transformers 5.23 `models/nomic_bert` and by nomic-ai/nomic-bert-2048's own code;
    transformers ignores the old keys silently and builds its defaults.
    """
    if "n_embd" not in config:
        return config
    refuse_unless(config, "NomicBert", _IMPLEMENTED)
    missing = [old for old in _RENAMED if not isinstance(config.get(old), int | float)]
    if missing:
        raise CheckpointError(f"This NomicBert config has no number for {', '.join(missing)}.")
    native = {key: value for key, value in config.items() if key not in _RENAMED and not key.startswith("rotary_")}
    native |= {new: config[old] for old, new in _RENAMED.items()}
    native["hidden_act"] = _ACTIVATIONS[native.pop("activation_function", "swiglu")]
    native["rope_parameters"] = {"rope_type": "default", "rope_theta": float(config.get("rotary_emb_base", 10000.0))}
    factor = config.get("rotary_scaling_factor")
    if factor:
        native["rope_parameters"] |= {"rope_type": "dynamic", "factor": float(factor)}
        native["max_position_embeddings"] = config.get("max_trained_positions") or config["n_positions"]
    return native
