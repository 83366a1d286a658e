"""The `config.json` of models on Qwen3-VL and Qwen3.5, with the published keys and tiny sizes."""

from __future__ import annotations

from typing import Any

from cenote.testing.checkpoints.tokenizer import TinyTokenizer

__all__ = [
    "HIDDEN_SIZE",
    "VECTOR_SIZE",
    "colqwen3",
    "colqwen3_5",
    "native_qwen3_5",
    "native_qwen3_vl",
    "nemotron_colembed",
    "ops_colqwen3",
    "qwen3_vl",
]

#: Components of a token's hidden state, and of its vector where a projection makes it smaller.
HIDDEN_SIZE = 64
VECTOR_SIZE = 32
_POSITIONS = 4096
_VISION_IDS = {
    "image_token_id": "<|image_pad|>",
    "video_token_id": "<|video_pad|>",
    "vision_start_token_id": "<|vision_start|>",
    "vision_end_token_id": "<|vision_end|>",
}


def _text(tokenizer: TinyTokenizer) -> dict[str, Any]:
    return {
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": tokenizer.id("<|endoftext|>"),
        "dtype": "float32",
        "eos_token_id": tokenizer.id("<|im_end|>"),
        "head_dim": 16,
        "hidden_act": "silu",
        "hidden_size": HIDDEN_SIZE,
        "initializer_range": 0.02,
        "intermediate_size": 96,
        "max_position_embeddings": _POSITIONS,
        "num_attention_heads": 4,
        "num_hidden_layers": 4,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": True,
        "use_cache": True,
        "vocab_size": tokenizer.vocab_size,
    }


def _text_3(tokenizer: TinyTokenizer) -> dict[str, Any]:
    return _text(tokenizer) | {
        "model_type": "qwen3_vl_text",
        "rope_scaling": {"mrope_interleaved": True, "mrope_section": [4, 2, 2], "rope_type": "default"},
        "rope_theta": 5000000,
    }


def _text_3_5(tokenizer: TinyTokenizer) -> dict[str, Any]:
    """Return three linear layers and one of full attention, whose heads turn a quarter of their components."""
    return _text(tokenizer) | {
        "attn_output_gate": True,
        "full_attention_interval": 4,
        "head_dim": 32,
        "layer_types": ["linear_attention", "linear_attention", "linear_attention", "full_attention"],
        "linear_conv_kernel_dim": 4,
        "linear_key_head_dim": 16,
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 4,
        "linear_value_head_dim": 16,
        "mamba_ssm_dtype": "float32",
        "model_type": "qwen3_5_text",
        "mtp_num_hidden_layers": 1,
        "mtp_use_dedicated_embeddings": False,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "rope_parameters": {
            "mrope_interleaved": True,
            "mrope_section": [2, 1, 1],
            "partial_rotary_factor": 0.25,
            "rope_theta": 10000000,
            "rope_type": "default",
        },
    }


def _vision(model_type: str, layers: list[int]) -> dict[str, Any]:
    """Return the vision tower's part; its positions are a grid of 8 by 8, and `layers` are read in between."""
    return {
        "deepstack_visual_indexes": layers,
        "depth": 4,
        "hidden_act": "gelu_pytorch_tanh",
        "hidden_size": 24,
        "in_channels": 3,
        "initializer_range": 0.02,
        "intermediate_size": 48,
        "model_type": model_type,
        "num_heads": 2,
        "num_position_embeddings": 64,
        "out_hidden_size": HIDDEN_SIZE,
        "patch_size": 16,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
    }


def _shared(tokenizer: TinyTokenizer, model_type: str) -> dict[str, Any]:
    return {
        "dtype": "float32",
        "model_type": model_type,
        "tie_word_embeddings": True,
        "transformers_version": "4.57.1",
        **{key: tokenizer.id(token) for key, token in _VISION_IDS.items()},
    }


def _qwen3_vl(tokenizer: TinyTokenizer, model_type: str, remote: dict[str, str]) -> dict[str, Any]:
    return _shared(tokenizer, model_type) | {
        "auto_map": remote,
        "text_config": _text_3(tokenizer),
        "vision_config": _vision("qwen3_vl_vision", [0, 1, 2]),
    }


def qwen3_vl(tokenizer: TinyTokenizer, *, tied: bool = True) -> dict[str, Any]:
    """Return that of Qwen's own models; in the larger ones the output layer is no embedding table."""
    parts = {"text_config": _text_3(tokenizer), "vision_config": _vision("qwen3_vl_vision", [0, 1, 2])}
    parts["text_config"]["tie_word_embeddings"] = tied
    return _shared(tokenizer, "qwen3_vl") | parts | {"tie_word_embeddings": tied}


def colqwen3(tokenizer: TinyTokenizer) -> dict[str, Any]:
    """Return Tomoro's: the size of vectors is `embed_dim`, and both configs stand inside."""
    remote = {
        "AutoConfig": "configuration_colqwen3.ColQwen3Config",
        "AutoModel": "modeling_colqwen3.ColQwen3",
        "AutoProcessor": "processing_colqwen3.ColQwen3Processor",
    }
    config = _qwen3_vl(tokenizer, "colqwen3", remote)
    del config["tie_word_embeddings"]  # It is read from the part of the text.
    return config | {"embed_dim": VECTOR_SIZE, "initializer_range": 0.02, "padding_side": "left"}


def ops_colqwen3(tokenizer: TinyTokenizer) -> dict[str, Any]:
    """Return OpenSearch's: `dims` is how many components of the projection are kept, here as published: all."""
    remote = {
        "AutoConfig": "configuration_ops_colqwen3.OpsColQwen3Config",
        "AutoModel": "modeling_ops_colqwen3.OpsColQwen3Model",
        "AutoProcessor": "processing_ops_colqwen3.OpsColQwen3Processor",
    }
    config = _qwen3_vl(tokenizer, "ops_colqwen3", remote)
    return config | {"dims": HIDDEN_SIZE, "mask_non_image_embeddings": False}


def nemotron_colembed(tokenizer: TinyTokenizer) -> dict[str, Any]:
    """Return NVIDIA's: no projection, so nothing about its size."""
    remote = {
        "AutoConfig": "configuration_qwen3_vl_nemotron_embed.Qwen3VLNemotronEmbedConfig",
        "AutoModel": "modeling_qwen3_vl_nemotron_embed.Qwen3VLNemotronEmbedModel",
        "AutoProcessor": "processing_qwen3_vl_nemotron_embed.Qwen3VLNemotronEmbedProcessor",
    }
    return _qwen3_vl(tokenizer, "qwen3_vl_nemotron_embed", remote) | {"pooling": "colbert"}


def colqwen3_5(tokenizer: TinyTokenizer) -> dict[str, Any]:
    """Return ColQwen3.5's: no code of its own, and the size of vectors is `dim`."""
    return _shared(tokenizer, "qwen3_5") | {
        "dim": VECTOR_SIZE,
        "retrieval_attention_contract": "causal",
        "text_config": _text_3_5(tokenizer),
        "transformers_version": "5.3.0",
        "vision_config": _vision("qwen3_5_vision", []),
    }


_NATIVE = ("text_config", "vision_config", "tie_word_embeddings", *_VISION_IDS)


def native_qwen3_vl(config: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of transformers' `Qwen3VLConfig`."""
    return {key: config[key] for key in _NATIVE if key in config}


def native_qwen3_5(config: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of transformers' `Qwen3_5Config`, whose vision tower has no layers read in between."""
    vision = {key: value for key, value in config["vision_config"].items() if key != "deepstack_visual_indexes"}
    return native_qwen3_vl(config) | {"vision_config": vision}
