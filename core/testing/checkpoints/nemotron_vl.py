"""Llama Nemotron VL, an embedder and a reranker of texts and pages, and their siblings that read texts alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cenote.testing.checkpoints.decoder_tokenizers import DECODER_TOKENIZERS
from cenote.testing.checkpoints.family import Family, Tensors
from cenote.testing.checkpoints.tokenizer import TinyTokenizer
from cenote.testing.checkpoints.weights import fill_parameters

if TYPE_CHECKING:
    from torch import nn

__all__ = ["NEMOTRON_TEXT", "NEMOTRON_VL"]

_HIDDEN_SIZE, _VISION_SIZE = 64, 32
#: Side of a tile in pixels, of which every 32 by 32 are one token; published: 512.
_TILE = 64
_REMOTE = "llama_nemotron_vl"


def _tokenizer() -> TinyTokenizer:
    """Llama 3's byte-level BPE, padded on the left; with the marks of images."""
    plain = DECODER_TOKENIZERS["llama3_images"]()
    return replace(plain, settings={**plain.settings, "padding_side": "left", "clean_up_tokenization_spaces": True})


def _llama(tokenizer: TinyTokenizer, architecture: str) -> dict[str, Any]:
    return {
        "architectures": [architecture],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": tokenizer.role("bos_token"),
        "eos_token_id": tokenizer.role("eos_token"),
        "head_dim": 16,
        "hidden_act": "silu",
        "hidden_size": _HIDDEN_SIZE,
        "initializer_range": 0.02,
        "intermediate_size": 128,
        "max_position_embeddings": 8192,
        "mlp_bias": False,
        "model_type": "llama_bidirec",
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "pad_token_id": tokenizer.role("pad_token"),
        "pooling": "avg",
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-5,
        "rope_scaling": {
            "factor": 32.0,
            "high_freq_factor": 4.0,
            "low_freq_factor": 1.0,
            "original_max_position_embeddings": 128,
            "rope_type": "llama3",
        },
        "rope_theta": 500000.0,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        "use_cache": True,
        "vocab_size": tokenizer.vocab_size,
    }


def _vision() -> dict[str, Any]:
    return {
        "attention_dropout": 0.0,
        "hidden_act": "gelu_pytorch_tanh",
        "hidden_size": _VISION_SIZE,
        "image_size": _TILE,
        "intermediate_size": 64,
        "layer_norm_eps": 1e-6,
        "model_type": "siglip_vision_model",
        "num_attention_heads": 2,
        "num_channels": 3,
        "num_hidden_layers": 2,
        "patch_size": 16,
    }


def _visual(tokenizer: TinyTokenizer, language: str) -> dict[str, Any]:
    return {
        "bidirectional_attention": True,
        "downsample_ratio": 0.5,
        "dynamic_image_size": True,
        "force_image_size": _TILE,
        "img_context_token_id": tokenizer.id("<IMG_CONTEXT>"),
        "llm_config": _llama(tokenizer, language),
        "max_input_tiles": 2,
        "pooling": "avg",
        "ps_version": "v2",
        "q_max_length": 512,
        "select_layer": -1,
        "torch_dtype": "float32",
        "transformers_version": "4.51.3",
        "use_thumbnail": True,
        "vision_config": _vision(),
    }


def _embedder(tokenizer: TinyTokenizer) -> dict[str, Any]:
    remote = {
        "AutoConfig": f"configuration_{_REMOTE}.LlamaNemotronVLConfig",
        "AutoModel": f"modeling_{_REMOTE}.LlamaNemotronVLModel",
    }
    return _visual(tokenizer, "LlamaBidirectionalModel") | {
        "auto_map": remote,
        "model_type": "llama_nemotron_vl",
        "p_max_length": 4096,
        "passage_prefix": "passage:",
        "query_prefix": "query:",
        "template": "bidirectional-llama-retriever",
    }


def _reranker(tokenizer: TinyTokenizer) -> dict[str, Any]:
    remote = {
        "AutoConfig": f"configuration_{_REMOTE}.LlamaNemotronVLForSequenceClassificationConfig",
        "AutoModelForSequenceClassification": f"modeling_{_REMOTE}.LlamaNemotronVLForSequenceClassification",
    }
    config = _visual(tokenizer, "LlamaBidirectionalForSequenceClassification")
    label = {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}
    return config | {
        "auto_map": remote,
        "llm_config": config["llm_config"] | label,
        "model_type": "llama_nemotron_vl_rerank",
        "p_max_length": 10240,
        "prompt_template": "v1",
        # Published: 1.0, with which nothing would show that it counts.
        "temperature": 2.5,
    }


def _text(tokenizer: TinyTokenizer, architecture: str, auto: str) -> dict[str, Any]:
    remote = {
        "AutoConfig": "llama_bidirectional_model.LlamaBidirectionalConfig",
        auto: f"llama_bidirectional_model.{architecture}",
    }
    return _llama(tokenizer, architecture) | {"auto_map": remote, "transformers_version": "4.44.2"}


def _native_llama(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in ("architectures", "auto_map", "model_type")}


def _seeing(prefix: str) -> Callable[[Tensors, Mapping[str, Any]], Tensors]:
    """Return what puts SigLIP, with its head, and the projection of its patches beside the language model."""

    def publish(tensors: Tensors, config: Mapping[str, Any]) -> Tensors:
        parts = {"vision_model.vision_model.": _tower(config), "mlp1.": _projection()}
        seen = {
            start + name: value.detach() for start, part in parts.items() for name, value in part.named_parameters()
        }
        return {**tensors, **{prefix + name: value for name, value in seen.items()}}

    return publish


def _tower(config: Mapping[str, Any]) -> nn.Module:
    import torch
    from transformers import SiglipVisionConfig, SiglipVisionModel

    settings = {key: value for key, value in config["vision_config"].items() if key != "model_type"}
    with torch.random.fork_rng(devices=[]):
        tower = SiglipVisionModel(SiglipVisionConfig(**settings))
    fill_parameters(tower, "llama_nemotron_vl/vision", gain=1.2, embedding_std=1.0)
    return tower


def _projection() -> nn.Module:
    import torch
    from torch import nn

    merged = 4 * _VISION_SIZE
    with torch.random.fork_rng(devices=[]):
        layers = nn.Sequential(
            nn.LayerNorm(merged), nn.Linear(merged, _HIDDEN_SIZE), nn.GELU(), nn.Linear(_HIDDEN_SIZE, _HIDDEN_SIZE)
        )
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.zeros_(layer.bias)  # construction draws it
    fill_parameters(layers, "llama_nemotron_vl/mlp1", gain=1.2, embedding_std=1.0)
    return layers


def _processor(name: str, **more: Any) -> Callable[[TinyTokenizer], dict[str, Any]]:
    """Return the builder of `processor_config.json`."""
    settings = {"auto_map": {"AutoProcessor": f"processing_{_REMOTE}.{name}"}, "processor_class": name}
    return lambda _: {"processor_config.json": settings | more}


def _family(name: str, architecture: str, config: Callable[[TinyTokenizer], dict[str, Any]], **more: Any) -> Family:
    given: dict[str, Any] = {"model_class": "LlamaModel", "tokenizer": _tokenizer, "side_files": False}
    return Family(name=name, architecture=architecture, config=config, **given | more)


def _score(_: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    return {"score.weight": (1, _HIDDEN_SIZE)}


NEMOTRON_VL: tuple[Family, ...] = (
    # nvidia/llama-nemotron-embed-vl-1b-v2
    _family(
        "llama_nemotron_vl",
        "LlamaNemotronVLModel",
        _embedder,
        native=lambda config: _native_llama(config["llm_config"]),
        prefix="language_model.",
        publish=_seeing(""),
        files=_processor("LlamaNemotronVLProcessor", dynamic_image_size=True, max_input_tiles=6, min_input_tiles=1),
    ),
    # nvidia/llama-nemotron-rerank-vl-1b-v2
    _family(
        "llama_nemotron_vl_rerank",
        "LlamaNemotronVLForSequenceClassification",
        _reranker,
        native=lambda config: _native_llama(config["llm_config"]),
        prefix="model.language_model.",
        publish=_seeing("model."),
        heads=_score,
        labels=("LABEL_0",),
        files=_processor("LlamaNemotronVLRerankProcessor"),
    ),
)

NEMOTRON_TEXT: tuple[Family, ...] = (
    # nvidia/llama-nemotron-embed-1b-v2
    _family(
        "llama_bidirectional",
        "LlamaBidirectionalModel",
        lambda tokenizer: _text(tokenizer, "LlamaBidirectionalModel", "AutoModel"),
        native=_native_llama,
        prefix="",
        side_files=True,
        prompts={"query": "query: ", "document": "passage: "},
    ),
    # nvidia/llama-nemotron-rerank-1b-v2
    _family(
        "llama_bidirectional_rerank",
        "LlamaBidirectionalForSequenceClassification",
        lambda tokenizer: (
            _text(tokenizer, "LlamaBidirectionalForSequenceClassification", "AutoModelForSequenceClassification")
            | {"temperature": 2.5}
        ),
        native=_native_llama,
        prefix="model.",
        heads=_score,
        labels=("LABEL_0",),
    ),
)
