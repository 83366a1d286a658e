"""What single model types need beside the generic sizes: settings that only they have, or that must fit together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["SPECIAL"]

_MROPE = {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]}}
_SPLIT_HEADS = {"head_dim": 16, "num_key_value_heads": 4, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8}
_BLT_PART = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 48, "max_position_embeddings": 160}
_GEMMA_HALF = {
    **{"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8},
    **{"vocab_size": 640, "sliding_window": 8, "max_position_embeddings": 160, "query_pre_attn_scalar": 8},
    **{"num_hidden_layers": 2, "layer_types": ["sliding_attention", "full_attention"]},
    **{"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2},
}

#: By model type. `...` leaves a setting to the class; `_default` is what the class cannot be built without.
SPECIAL: Mapping[str, Mapping[str, Any]] = {
    "big_bird": {"block_size": 4, "num_random_blocks": 1},
    "bigbird_pegasus": {"block_size": 4, "num_random_blocks": 1},
    "blt": {
        "vocab_size": 640,
        "encoder_hash_byte_group_vocab": 64,
        "encoder_hash_byte_group_size": [3, 4],
        "patcher_config": {**_BLT_PART, "num_hidden_layers": 2, "vocab_size": 640, "sliding_window": 8},
        "encoder_config": {**_BLT_PART, "num_hidden_layers": 1, "vocab_size": 640, "hidden_size_global": 32},
        "decoder_config": {**_BLT_PART, "num_hidden_layers": 2, "vocab_size": 640, "hidden_size_global": 32},
        "global_config": {**_BLT_PART, "num_hidden_layers": 2},
    },
    "canine": {"num_hash_buckets": 64, "max_position_embeddings": 192, "local_transformer_stride": 16},
    "cohere_compass_text": {
        "num_hidden_layers": 2,
        "layer_types": ["sliding_attention", "full_attention"],
        "rope_parameters": {"sliding_attention": _MROPE["rope_parameters"], "full_attention": None},
    },
    "cosmos3_edge_text": _MROPE,
    "dbrx": {
        "attn_config": {"kv_n_heads": 2, "rope_theta": 10000.0, "clip_qkv": 8.0},
        "ffn_config": {"hidden_size": 32, "ffn_hidden_size": 48, "moe_top_k": 2},
    },
    "deepseek_v2": {"n_group": 2, "topk_group": 1, "num_experts_per_tok": 1},
    "deepseek_v4": {"compress_rates": {"compressed_sparse_attention": 2, "heavily_compressed_attention": 4}},
    "dots1": {"n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2},
    "dots3_note_text": {
        "swa_num_attention_heads": 4,
        "swa_num_key_value_heads": 4,
        "swa_q_lora_rank": 16,
        "swa_kv_lora_rank": 16,
        "swa_head_dim": 16,
        "swa_qk_nope_head_dim": 8,
        "swa_v_head_dim": 8,
        "head_dim": 16,
        "shared_experts_intermediate_size": 16,
    },
    "esm": {"vocab_size": 640, "pad_token_id": 1, "mask_token_id": 3},
    "esmc": {"num_key_value_heads": 4},
    "falcon_h1": {"mamba_d_ssm": 64},
    "funnel": {"block_sizes": [1, 1]},
    "gemma3n_text": {
        "num_hidden_layers": 4,
        "num_kv_shared_layers": 2,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "intermediate_size": 48,
        "activation_sparsity_pattern": [0.95, 0.95, 0.0, 0.0],
    },
    "glm4v_moe_text": {"rope_parameters": {**_MROPE["rope_parameters"], "partial_rotary_factor": 1.0}},
    "glm4v_text": _MROPE,
    "glm5_next_text": {"index_kpool": 4, "head_dim": 0, "qk_rope_head_dim": 0},
    "glm_image_text": {**_MROPE, "vision_vocab_size": 64},
    "glm_ocr_text": _MROPE,
    "hunyuan_vl_text": _MROPE,
    "led": {"attention_window": 8, "max_encoder_position_embeddings": 160, "max_decoder_position_embeddings": 160},
    "lfm2": {"block_multiple_of": 8, "num_hidden_layers": 2, "layer_types": ["conv", "full_attention"]},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"], "num_dense_layers": 1},
    "lilt": {"hidden_size": 48, "channel_shrink_ratio": 2},
    "llama4_text": {
        "num_hidden_layers": 4,
        "no_rope_layers": [1, 1, 1, 0],
        "layer_types": ["chunked_attention"] * 3 + ["full_attention"],
        "moe_layers": [1, 3],
        "head_dim": 8,
    },
    "longformer": {"attention_window": 8},
    "longt5": {"local_radius": 3, "global_block_size": 4},
    "longcat_flash": {"zero_expert_num": 2},
    "mamba2": {"head_dim": 16, "num_heads": 4},
    "markuplm": {"max_depth": 4, "max_xpath_subs_unit_embeddings": 64, "xpath_unit_hidden_size": 8, "subs_pad_id": 1},
    "mistral4": _SPLIT_HEADS,
    "mistral_large4_text": {
        "num_hidden_layers": 4,
        "no_rope_layers": [1, 1, 1, 0],
        "kv_source_layers": [0, 1, 1, 3],
        "layer_types": ["indexed_attention"] * 4,
        "mlp_layer_types": ["dense", "sparse", "sparse", "sparse"],
        "indexer_types": ["full", "full", "full", "full"],
    },
    "muse_spark_text": {"moe_hidden_size": 32},
    "nemotron_h": {"moe_shared_expert_intermediate_size": 16},
    "qwen2_5_vl_text": _MROPE,
    "qwen2_vl_text": _MROPE,
    "qwen4_exp_text": {
        "indexer_n_heads": 4,
        "indexer_kv_heads": 1,
        "indexer_head_dim": 8,
        "indexer_budget": 8,
        "indexer_compress_ratio": 4,
        "hc_lowrank": 8,
    },
    "reformer": {
        "axial_pos_shape": [16, 16],
        "axial_pos_embds_dim": [16, 16],
        "max_position_embeddings": 256,
        "is_decoder": True,
        "local_attn_chunk_length": 8,
        "lsh_attn_chunk_length": 8,
        "num_buckets": 4,
        "hash_seed": 7,
    },
    "rembert": {"input_embedding_size": 32, "output_embedding_size": 32},
    "roc_bert": {
        "shape_vocab_size": 64,
        "shape_embed_dim": 16,
        "pronunciation_vocab_size": 64,
        "pronunciation_embed_dim": 16,
    },
    "t5gemma": {"encoder": _GEMMA_HALF, "decoder": _GEMMA_HALF, "vocab_size": 640},
    "switch_transformers": {"expert_capacity": 4, "num_experts": 4},
    "xmod": {"default_language": "en_XX"},
    "zamba": {"num_hidden_layers": 3, "layers_block_type": ["linear_attention", "hybrid", "hybrid"]},
    "zaya": {"num_experts_per_tok": 1},
}
