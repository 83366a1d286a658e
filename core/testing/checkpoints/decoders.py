"""Decoder families: the keys of their published `config.json`, with tiny sizes."""

from __future__ import annotations

from typing import Any

from cenote.testing.checkpoints.decoder_tokenizers import DECODER_TOKENIZERS
from cenote.testing.checkpoints.family import Family
from cenote.testing.checkpoints.tokenizer import TinyTokenizer

__all__ = ["DECODERS"]

_POSITIONS = 512


def _llama(tokenizer: TinyTokenizer) -> dict[str, Any]:
    return {
        "model_type": "llama",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": tokenizer.role("bos_token" if "bos_token" in tokenizer.special else "pad_token"),
        "eos_token_id": tokenizer.role("eos_token"),
        "hidden_act": "silu",
        "hidden_size": 32,
        "initializer_range": 0.02,
        "intermediate_size": 48,
        "max_position_embeddings": _POSITIONS,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "pad_token_id": tokenizer.role("pad_token"),
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-5,
        "rope_scaling": None,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "use_cache": True,
        "vocab_size": tokenizer.vocab_size,
    }


def _llama3(tokenizer: TinyTokenizer) -> dict[str, Any]:
    rope = {
        "factor": 32.0,
        "high_freq_factor": 4.0,
        "low_freq_factor": 1.0,
        "original_max_position_embeddings": 128,
        "rope_type": "llama3",
    }
    return _llama(tokenizer) | {"rope_scaling": rope, "rope_theta": 500000.0, "tie_word_embeddings": True}


def _mistral(tokenizer: TinyTokenizer) -> dict[str, Any]:
    # Each token sees itself and 8 tokens before it at most; published: 4096.
    config = _llama(tokenizer) | {"model_type": "mistral", "sliding_window": 9}
    return {key: value for key, value in config.items() if key not in {"attention_bias", "pretraining_tp"}}


def _qwen2(tokenizer: TinyTokenizer) -> dict[str, Any]:
    config = _llama(tokenizer) | {
        "model_type": "qwen2",
        "max_window_layers": 2,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1000000.0,
        "sliding_window": 16,
        "use_sliding_window": False,
        "vocab_size": _padded_vocabulary(tokenizer),
    }
    return {key: value for key, value in config.items() if key not in {"attention_bias", "pretraining_tp"}}


def _qwen3(tokenizer: TinyTokenizer) -> dict[str, Any]:
    # The heads are wider than hidden_size / num_attention_heads, as published.
    return _qwen2(tokenizer) | {
        "model_type": "qwen3",
        "attention_bias": False,
        "head_dim": 16,
        "sliding_window": None,
        "tie_word_embeddings": True,
    }


def _gemma(tokenizer: TinyTokenizer) -> dict[str, Any]:
    config = _llama(tokenizer) | {
        "model_type": "gemma",
        "head_dim": 16,
        "hidden_act": "gelu",
        "hidden_activation": None,
        "num_key_value_heads": 1,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": True,
    }
    return {key: value for key, value in config.items() if key != "pretraining_tp"}


def _gemma2(tokenizer: TinyTokenizer) -> dict[str, Any]:
    # Layers 0 and 2 see 8 tokens, layer 1 everything; scores are softly capped at a value that bites.
    return _gemma(tokenizer) | {
        "model_type": "gemma2",
        "attn_logit_softcapping": 3.0,
        "cache_implementation": "hybrid",
        "final_logit_softcapping": 30.0,
        "hidden_act": "gelu_pytorch_tanh",
        "hidden_activation": "gelu_pytorch_tanh",
        "num_hidden_layers": 3,
        "num_key_value_heads": 2,
        "query_pre_attn_scalar": 16,
        "sliding_window": 8,
    }


def _embeddinggemma(tokenizer: TinyTokenizer) -> dict[str, Any]:
    # transformers makes of the file's 12 a half window of 12 // 2 + 1; published: 512 and 257.
    return _gemma(tokenizer) | {
        "model_type": "gemma3_text",
        "attn_logit_softcapping": None,
        "final_logit_softcapping": None,
        "hidden_act": "gelu_pytorch_tanh",
        "hidden_activation": "gelu_pytorch_tanh",
        "layer_types": ["sliding_attention", "sliding_attention", "full_attention"],
        "num_hidden_layers": 3,
        "query_pre_attn_scalar": 16,
        "rope_local_base_freq": 10000.0,
        "rope_theta": 1000000.0,
        "sliding_window": 12,
        "use_bidirectional_attention": True,
    }


def _padded_vocabulary(tokenizer: TinyTokenizer) -> int:
    return tokenizer.vocab_size + 37  # Qwen's tables have rows that no token uses


DECODERS = (
    Family(
        name="qwen2",
        model_class="Qwen2Model",
        architecture="Qwen2ForCausalLM",
        tokenizer=DECODER_TOKENIZERS["qwen2"],
        config=_qwen2,
        prefix="model.",
        pooling="lasttoken",
    ),
    Family(
        name="qwen3",
        model_class="Qwen3Model",
        architecture="Qwen3ForCausalLM",
        tokenizer=DECODER_TOKENIZERS["qwen3"],
        config=_qwen3,
        pooling="lasttoken",
        prompts={
            "query": "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:",
            "document": "",
        },
    ),
    Family(
        name="llama",
        model_class="LlamaModel",
        architecture="LlamaForCausalLM",
        tokenizer=DECODER_TOKENIZERS["llama"],
        config=_llama,
        prefix="model.",
        pooling="lasttoken",
    ),
    Family(
        name="llama3",
        model_class="LlamaModel",
        architecture="LlamaModel",
        tokenizer=DECODER_TOKENIZERS["llama3"],
        config=_llama3,
        pooling="mean",
    ),
    Family(
        name="mistral",
        model_class="MistralModel",
        architecture="MistralModel",
        tokenizer=DECODER_TOKENIZERS["mistral"],
        config=_mistral,
        pooling="lasttoken",
    ),
    Family(
        name="gemma",
        model_class="GemmaModel",
        architecture="GemmaModel",
        tokenizer=DECODER_TOKENIZERS["gemma"],
        config=_gemma,
        pooling="lasttoken",
        embedding_std=0.2,  # these models multiply embeddings by the square root of the width
    ),
    Family(
        name="gemma2",
        model_class="Gemma2Model",
        architecture="Gemma2Model",
        tokenizer=DECODER_TOKENIZERS["gemma_embedder"],
        config=_gemma2,
        pooling="lasttoken",
        embedding_std=0.2,
    ),
    Family(
        name="embeddinggemma",
        model_class="Gemma3TextModel",
        architecture="Gemma3TextModel",
        tokenizer=DECODER_TOKENIZERS["gemma_embedder"],
        config=_embeddinggemma,
        dense=(64, 32),
        embedding_std=0.2,
        prompts={"query": "task: search result | query: ", "document": "title: none | text: "},
    ),
)
