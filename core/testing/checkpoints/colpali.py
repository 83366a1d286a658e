"""ColPali and ColModernVBERT: late-interaction models that read pages, on PaliGemma and on a small encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cenote.testing.checkpoints.decoder_tokenizers import DECODER_TOKENIZERS
from cenote.testing.checkpoints.encoder_tokenizers import ENCODER_TOKENIZERS
from cenote.testing.checkpoints.family import Family, Tensors
from cenote.testing.checkpoints.tokenizer import TinyTokenizer

__all__ = ["COLPALI"]

_HIDDEN_SIZE, _VECTOR_SIZE = 64, 16
#: Sides of images and patches in pixels; published: 448 and 14, 512 and 16.
_PAGE, _PAGE_PATCH = 56, 14
_TILE, _TILE_PATCH = 64, 16
_VISION = {
    "hidden_act": "gelu_pytorch_tanh",
    "hidden_size": 32,
    "intermediate_size": 64,
    "layer_norm_eps": 1e-6,
    "model_type": "siglip_vision_model",
    "num_attention_heads": 2,
    "num_channels": 3,
    "num_hidden_layers": 2,
}
_PIXELS = {
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "rescale_factor": 1 / 255,
}


def _gemma(tokenizer: TinyTokenizer) -> dict[str, Any]:
    return {
        "attention_bias": False,
        "attention_dropout": 0.0,
        "head_dim": 16,
        "hidden_act": "gelu_pytorch_tanh",
        "hidden_activation": None,
        "hidden_size": _HIDDEN_SIZE,
        "intermediate_size": 128,
        "max_position_embeddings": 8192,
        "model_type": "gemma",
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_image_tokens": 16,
        "num_key_value_heads": 1,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        # The weights are stored in bfloat16 all the same.
        "torch_dtype": "float32",
        "use_cache": True,
        "vocab_size": tokenizer.vocab_size,
    }


def _colpali(tokenizer: TinyTokenizer) -> dict[str, Any]:
    vision = {"image_size": _PAGE, "num_image_tokens": 16, "patch_size": _PAGE_PATCH, "vision_use_head": False}
    return {
        "embedding_dim": _VECTOR_SIZE,
        "initializer_range": 0.02,
        "model_type": "colpali",
        "torch_dtype": "float32",
        "transformers_version": "4.50.0.dev0",
        "vlm_config": {
            "bos_token_id": tokenizer.role("bos_token"),
            "eos_token_id": tokenizer.role("eos_token"),
            "hidden_size": _HIDDEN_SIZE,
            "image_token_index": tokenizer.id("<image>"),
            "model_type": "paligemma",
            "pad_token_id": tokenizer.role("pad_token"),
            "projection_dim": _HIDDEN_SIZE,
            "text_config": _gemma(tokenizer),
            "vision_config": _VISION | vision | {"projection_dim": _HIDDEN_SIZE},
        },
    }


def _colpali_files(_: TinyTokenizer) -> dict[str, Any]:
    return {
        "preprocessor_config.json": _PIXELS
        | {
            "image_processor_type": "SiglipImageProcessor",
            "image_seq_length": 16,
            "processor_class": "ColPaliProcessor",
            "resample": 3,
            "size": {"height": _PAGE, "width": _PAGE},
        },
        "processor_config.json": {"processor_class": "ColPaliProcessor"},
    }


def _published_colpali(tensors: Tensors, _: Mapping[str, Any]) -> Tensors:
    """Return the names before transformers 4.52, which has one module more around each tower."""
    older = {"vlm.vision_tower.": "vlm.vision_tower.vision_model.", "vlm.language_model.": "vlm.language_model.model."}
    return {_renamed(name, older): value for name, value in tensors.items()}


def _modernbert(tokenizer: TinyTokenizer) -> dict[str, Any]:
    # Layers 0 and 3 see everything, 1 and 2 at most 6 tokens to either side.
    return {
        "attention_bias": False,
        "bos_token_id": tokenizer.role("cls_token"),
        "cls_token_id": tokenizer.role("cls_token"),
        "eos_token_id": tokenizer.role("sep_token"),
        "global_attn_every_n_layers": 3,
        "global_rope_theta": 160000.0,
        "hidden_activation": "gelu",
        "hidden_size": _HIDDEN_SIZE,
        "intermediate_size": 96,
        "local_attention": 12,
        "local_rope_theta": 10000.0,
        "max_position_embeddings": 7999,
        "mlp_bias": False,
        "model_type": "modernbert",
        "norm_bias": False,
        "norm_eps": 1e-5,
        "num_attention_heads": 4,
        "num_hidden_layers": 4,
        "pad_token_id": tokenizer.role("pad_token"),
        "sep_token_id": tokenizer.role("sep_token"),
        "vocab_size": tokenizer.vocab_size,
    }


def _modernvbert(tokenizer: TinyTokenizer) -> dict[str, Any]:
    return {
        "image_token_id": tokenizer.id("<image>"),
        "initializer_cutoff_factor": 2.0,
        "initializer_range": 0.02,
        "model_type": "modernvbert",
        "pixel_shuffle_factor": 2,
        "text_config": _modernbert(tokenizer),
        "tie_word_embeddings": False,
        "vision_config": _VISION | {"image_size": _TILE, "patch_size": _TILE_PATCH},
    }


def _colmodernvbert(tokenizer: TinyTokenizer) -> dict[str, Any]:
    return {
        "dtype": "float32",
        "embedding_dim": _VECTOR_SIZE,
        "initializer_range": 0.02,
        "model_type": "colmodernvbert",
        "transformers_version": "5.3.0",
        "vlm_config": _modernvbert(tokenizer),
    }


def _flat_modernvbert(tokenizer: TinyTokenizer) -> dict[str, Any]:
    """Return the older config: the backbone's own, which says nothing of the projection."""
    return _modernvbert(tokenizer) | {"torch_dtype": "float32", "transformers_version": "4.53.2"}


def _native_flat(config: dict[str, Any]) -> dict[str, Any]:
    return {"embedding_dim": _VECTOR_SIZE, "vlm_config": config}


def _colmodernvbert_files(_: TinyTokenizer) -> dict[str, Any]:
    return {
        "preprocessor_config.json": _PIXELS
        | {
            "do_image_splitting": True,
            "do_pad": True,
            "image_processor_type": "Idefics3ImageProcessor",
            "max_image_size": {"longest_edge": _TILE},
            "processor_class": "ColModernVBertProcessor",
            "resample": 1,
            "size": {"longest_edge": 4 * _TILE},
        },
        "processor_config.json": {"image_seq_len": 4, "processor_class": "ColModernVBertProcessor"},
    }


def _published_flat(tensors: Tensors, _: Mapping[str, Any]) -> Tensors:
    older = {
        "vlm.vision_model.": "model.vision_model.vision_model.",
        "vlm.": "model.",
        "embedding_proj_layer.": "custom_text_proj.",
    }
    return {_renamed(name, older): value for name, value in tensors.items()}


def _renamed(name: str, names: Mapping[str, str]) -> str:
    for new, old in names.items():
        if name.startswith(new):
            return old + name.removeprefix(new)
    return name


def _pages(name: str, model_class: str, **settings: Any) -> Family:
    return Family(name=name, model_class=model_class, architecture=model_class, side_files=False, **settings)


COLPALI: tuple[Family, ...] = (
    # vidore/colpali-v1.3-hf
    _pages(
        "colpali",
        "ColPaliForRetrieval",
        tokenizer=DECODER_TOKENIZERS["gemma_images"],
        config=_colpali,
        files=_colpali_files,
        publish=_published_colpali,
    ),
    # The same as transformers 5 saves it.
    _pages(
        "colpali_new",
        "ColPaliForRetrieval",
        tokenizer=DECODER_TOKENIZERS["gemma_images"],
        config=_colpali,
        files=_colpali_files,
    ),
    # ModernVBERT/colmodernvbert-merged, in the layout of transformers' class
    _pages(
        "colmodernvbert",
        "ColModernVBertForRetrieval",
        tokenizer=ENCODER_TOKENIZERS["modernbert_images"],
        config=_colmodernvbert,
        files=_colmodernvbert_files,
    ),
    # The same in colpali-engine's layout.
    _pages(
        "modernvbert_flat",
        "ColModernVBertForRetrieval",
        tokenizer=ENCODER_TOKENIZERS["modernbert_images_begin"],
        config=_flat_modernvbert,
        native=_native_flat,
        files=_colmodernvbert_files,
        publish=_published_flat,
    ),
)
