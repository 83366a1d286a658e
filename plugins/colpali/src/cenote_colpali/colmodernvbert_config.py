"""From published config files to the one that transformers has for ModernVBERT."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cenote.checkpoints import Checkpoint
from cenote.errors import CheckpointError

__all__ = ["modernvbert_checkpoint"]

#: Model types of the parts, by their key.
_TYPES = {"text_config": "modernbert", "vision_config": "siglip_vision_model"}
#: What the parts must say themselves, or in one of several ways: transformers has defaults for all of it, and a wrong
#: one gives other vectors without a word where no weight has another shape.
_SAID: Mapping[str, tuple[str, ...]] = {
    "text_config": (
        "vocab_size",
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "local_attention",
        "layer_types|global_attn_every_n_layers",
        "rope_parameters.full_attention.rope_theta|global_rope_theta",
        "rope_parameters.sliding_attention.rope_theta|local_rope_theta",
    ),
    "vision_config": (
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "image_size",
        "patch_size",
    ),
}
_WHOLE = ("image_token_id", "pixel_shuffle_factor")
#: Number formats: that of the whole checkpoint counts.
_DTYPES = ("dtype", "torch_dtype")
_OUTER = ("architectures", "auto_map", "embedding_dim", "late_interaction", "model_type", "vlm_config")
#: What is read of the outer config afterwards.
_KEPT = ("embedding_dim", "matryoshka_dimensions", "is_matryoshka", *_DTYPES)


def modernvbert_checkpoint(checkpoint: Checkpoint) -> Checkpoint:
    """Return the checkpoint with a config of ModernVBERT.

    Args:
        checkpoint: whose config holds ModernVBERT's in `vlm_config`, as transformers 5.3 and later write it, or is
            ModernVBERT's own, as colpali-engine writes it and vLLM 0.32 reads it.

    Raises:
        CheckpointError: a part is missing or of another model, leaves out what vectors depend on, or says what would
            give other vectors.
    """
    config = checkpoint.config
    inner = config.get("vlm_config")
    if inner is None:
        inner = {key: value for key, value in config.items() if key not in _OUTER}
    elif not isinstance(inner, Mapping) or inner.get("model_type") not in (None, "modernvbert"):
        found = inner.get("model_type") if isinstance(inner, Mapping) else inner
        raise CheckpointError(f"vlm_config has model_type {found!r:.40}; ColModernVBERT models have 'modernvbert'.")
    parts = {name: _part(inner, name) for name in _TYPES}
    # Vectors come of the hidden states; the head, which pools them, is not even built.
    parts["vision_config"]["vision_use_head"] = False
    _check_said(inner, "", _WHOLE)
    for name, part in parts.items():
        _check_said(part, f"{name}.", _SAID[name])
    if config.get("mask_non_image_embeddings"):
        raise CheckpointError(
            "config.json has mask_non_image_embeddings: true, which makes zeros of the vectors of words beside an "
            "image. cenote keeps these vectors; set it to false with hf_overrides if that is wanted."
        )
    native = {key: value for key, value in inner.items() if key not in (*_DTYPES, *_OUTER)}
    kept = {key: value for key, value in config.items() if key in _KEPT}
    return checkpoint.with_config({**native, **parts, **kept, "model_type": "modernvbert"})


def _part(inner: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the config of a part, with its model type and without its number format.

    Raises:
        CheckpointError: it is missing, or of another model.
    """
    part, kind = inner.get(name), _TYPES[name]
    if not isinstance(part, Mapping):
        raise CheckpointError(f"config.json has no {name}; ColModernVBERT models have one.")
    if part.get("model_type") not in (None, kind):
        raise CheckpointError(f"{name} has model_type {part['model_type']!r:.40}; ColModernVBERT models have {kind!r}.")
    return {key: value for key, value in part.items() if key not in _DTYPES} | {"model_type": kind}


def _check_said(part: Mapping[str, Any], where: str, wanted: tuple[str, ...]) -> None:
    """Check that a part of a config leaves nothing to defaults that vectors depend on.

    Raises:
        CheckpointError: it does.
    """
    lost = [names for names in wanted if all(_value(part, name) is None for name in names.split("|"))]
    if lost:
        shown = ", ".join(where + names.replace("|", f" or {where}") for names in lost)
        raise CheckpointError(
            f"config.json does not say {shown}; vectors depend on it, and no default is safe. Take the values from "
            "the models that this one was built of, and give them with hf_overrides."
        )


def _value(part: Mapping[str, Any], name: str) -> Any:
    found: Any = part
    for key in name.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found
