"""From published config files to the one that transformers has for PaliGemma."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cenote.checkpoints import Checkpoint
from cenote.errors import CheckpointError

__all__ = ["native_checkpoint"]

#: Model types of the parts, by their key.
_TYPES = {"text_config": "gemma", "vision_config": "siglip_vision_model"}
#: Number formats: that of the whole checkpoint counts. `text_config` of the published file has another one than its
#: weights.
_DTYPES = ("dtype", "torch_dtype")
#: Settings of colpali's own, and of the processor; PaliGemma's config has no use for them.
_OUTER = ("architectures", "auto_map", "embedding_dim", "late_interaction", "model_type", "vlm_config")
#: What is read of the outer config afterwards.
_KEPT = ("embedding_dim", "matryoshka_dimensions", "is_matryoshka", *_DTYPES)


def native_checkpoint(checkpoint: Checkpoint, *, bidirectional: bool) -> Checkpoint:
    """Return the checkpoint with a config of PaliGemma.

    Args:
        checkpoint: whose config holds PaliGemma's in `vlm_config`, or flat, as vLLM 0.32 also reads it.
        bidirectional: tokens see later ones. The model was trained so, whatever its config says: its processor gives
            all tokens of a prompt the type of PaliGemma's prefix.

    Raises:
        CheckpointError: a part is missing or of another model, or says what would give other vectors.
    """
    config = checkpoint.config
    inner = config.get("vlm_config")
    if inner is None:
        inner = {key: value for key, value in config.items() if key not in _OUTER}
    elif not isinstance(inner, Mapping) or inner.get("model_type") not in (None, "paligemma"):
        found = inner.get("model_type") if isinstance(inner, Mapping) else inner
        raise CheckpointError(f"vlm_config has model_type {found!r:.40}; ColPali models have 'paligemma'.")
    parts: dict[str, dict[str, Any]] = {}
    for name, kind in _TYPES.items():
        part = inner.get(name)
        if not isinstance(part, Mapping):
            raise CheckpointError(f"The config of {checkpoint.name!r} has no {name}; ColPali models have one.")
        if part.get("model_type") not in (None, kind):
            raise CheckpointError(f"{name} has model_type {part['model_type']!r:.40}; ColPali models have {kind!r}.")
        parts[name] = {key: value for key, value in part.items() if key not in _DTYPES} | {"model_type": kind}
    parts["text_config"]["use_bidirectional_attention"] = bidirectional
    if config.get("mask_non_image_embeddings"):
        raise CheckpointError(
            "config.json has mask_non_image_embeddings: true, which makes zeros of the vectors of words beside an "
            "image. cenote keeps these vectors; set it to false with hf_overrides if that is wanted."
        )
    native = {key: value for key, value in inner.items() if key not in (*_DTYPES, *_OUTER)}
    kept = {key: value for key, value in config.items() if key in _KEPT}
    return checkpoint.with_config({**native, **parts, **kept, "model_type": "paligemma"})
