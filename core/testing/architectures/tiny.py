"""Shrink the default config of a transformers class to a model of a few thousand weights, generically."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cenote.testing.architectures.special import SPECIAL

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

__all__ = ["VOCABULARY", "tiny_config"]

#: Rows of every embedding table; the tokenizer of the folders has fewer.
VOCABULARY = 640
_WIDTH, _HEADS, _HEAD = 32, 4, 8

#: Sizes by the names that configs have for them. Only those that a config has are set.
_SIZES: Mapping[str, Any] = {
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "dim", "emb_dim", "embedding_size", "embedding_dim"), _WIDTH),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads", "attention_heads"), _HEADS),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), _HEADS),
    **dict.fromkeys(("num_key_value_heads", "num_kv_heads"), 2),
    **dict.fromkeys(("head_dim", "d_kv", "d_head", "v_head_dim", "qk_nope_head_dim", "qk_rope_head_dim"), _HEAD),
    **dict.fromkeys(("kv_channels", "attention_head_size", "rotary_dim", "index_head_dim", "swa_head_dim"), _HEAD),
    **dict.fromkeys(("linear_key_head_dim", "linear_value_head_dim", "linear_head_dim"), _HEAD),
    **dict.fromkeys(("intermediate_size", "ffn_dim", "d_ff", "dim_ff", "dff", "d_inner", "hidden_dim", "n_inner"), 48),
    **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim", "ffn_hidden_size", "feed_forward_size"), 48),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size", "shared_intermediate_size"), 16),
    **dict.fromkeys(("expert_ffn_hidden_size", "dense_intermediate_size", "intermediate_size_mlp"), 16),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers"), 2),
    **dict.fromkeys(("encoder_layers", "decoder_layers", "num_decoder_layers", "num_encoder_layers"), 2),
    **dict.fromkeys(("vocab_size", "vocab_size_per_layer_input", "src_vocab_size", "tgt_vocab_size"), VOCABULARY),
    **dict.fromkeys(("decoder_vocab_size", "entity_vocab_size"), VOCABULARY),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx", "context_length"), 160),
    **dict.fromkeys(("num_experts", "n_routed_experts", "num_local_experts", "moe_num_experts"), 4),
    **dict.fromkeys(("num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_k"), 2),
    **dict.fromkeys(("n_shared_experts", "num_shared_experts", "moe_num_shared_experts"), 1),
    **dict.fromkeys(("topk_group", "n_group", "num_expert_group"), 1),
    **dict.fromkeys(("first_k_dense_replace", "num_dense_layers", "moe_layer_start_index"), 1),
    **dict.fromkeys(("kv_lora_rank", "q_lora_rank", "o_lora_rank", "laurel_rank"), 16),
    **dict.fromkeys(("index_n_heads", "linear_num_heads", "linear_num_key_heads", "linear_num_value_heads"), _HEADS),
    **dict.fromkeys(("sliding_window", "sliding_window_size", "attention_window_size", "attention_chunk_size"), 8),
    **dict.fromkeys(("window_size", "index_topk"), 8),
    **dict.fromkeys(("local_attention", "query_pre_attn_scalar"), 16),
    **dict.fromkeys(("mamba_d_state", "state_size", "ssm_state_size"), 8),
    **dict.fromkeys(("mamba_n_heads", "mamba_num_heads"), 8),
    **dict.fromkeys(("mamba_d_head", "mamba_head_dim"), 8),
    **dict.fromkeys(("mamba_n_groups", "n_groups"), 1),
    **dict.fromkeys(("mamba_chunk_size", "chunk_size"), 8),
    **dict.fromkeys(("time_step_rank", "mamba_dt_rank"), 4),
    **dict.fromkeys(("hidden_size_per_layer_input",), 8),
}
#: Sizes that classes need although their configs leave them unset.
_EVEN_UNSET = frozenset({"head_dim", "num_key_value_heads"})
#: Ids of the special tokens of the folders' tokenizer, for configs that name such a token.
_TOKENS = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}


def tiny_config(config_class: type[PreTrainedConfig], model_type: str) -> PreTrainedConfig:
    """Return a config of few and narrow layers, among which every kind of layer of the default config occurs.

    Raises:
        Exception: whatever the class raises on values that it does not take.
    """
    special = SPECIAL.get(model_type, {})
    default: Any = config_class(**special.get("_default", {}))
    values: dict[str, Any] = {}
    for key, value in vars(default).items():
        if key in _SIZES and (value is not None or key in _EVEN_UNSET) and not isinstance(value, dict | list | tuple):
            values[key] = _SIZES[key]
    if "kv_lora_rank" in vars(default):  # latent attention has as many key heads as query heads
        values["num_key_value_heads"] = _HEADS
    values |= _token_ids(default)
    values |= _layers(default)
    values |= {key: value for key, value in special.items() if not key.startswith("_")}
    return config_class(**{key: value for key, value in values.items() if value is not ...})


def _token_ids(default: Any) -> dict[str, Any]:
    return {
        key: _TOKENS.get(key, 3)
        for key, value in vars(default).items()
        if key.endswith("_token_id") and isinstance(value, int | list) and value is not False
    }


def _layers(default: Any) -> dict[str, Any]:
    """Return the lists that describe each layer, cut to the layers in which a kind occurs for the first time."""
    count: int = getattr(default, "num_hidden_layers", None) or 0
    lists = {
        key: value
        for key, value in vars(default).items()
        if isinstance(value, list) and count and len(value) == count and not key.startswith("_")
    }
    if not lists:
        return {}
    chosen: list[int] = []
    for values in lists.values():
        chosen += [values.index(kind) for kind in dict.fromkeys(map(_hashable, values)) if kind in values]
    kept = sorted(set(chosen) | {0, min(1, count - 1)})
    return {"num_hidden_layers": len(kept)} | {key: [value[i] for i in kept] for key, value in lists.items()}


def _hashable(value: Any) -> Any:
    return value if not isinstance(value, list | dict) else str(value)
