"""From published config files to the ones that transformers has for the backbone, without the files' own code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cenote.checkpoints import Checkpoint
from cenote.errors import CheckpointError
from cenote_colqwen.variants import Variant

__all__ = ["attention_contract", "declared_size", "native_checkpoint"]

#: Model types of the parts of a config, by that of the whole; old files repeat the whole's for the vision tower.
_PARTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "qwen3_vl": {"text_config": ("qwen3_vl_text",), "vision_config": ("qwen3_vl_vision", "qwen3_vl")},
    "qwen3_5": {"text_config": ("qwen3_5_text",), "vision_config": ("qwen3_5_vision", "qwen3_5")},
}
#: Settings of the plugin's own, and of code that is not run; the backbone's config has no use for them.
_NOT_NATIVE = ("auto_map", "late_interaction")
#: Keys that say how tokens see each other in configs of other models, and what they must say in a causal one.
_CAUSAL = {"is_causal": True, "use_bidirectional_attention": False, "bidirectional_attention": False}


def native_checkpoint(checkpoint: Checkpoint, variant: Variant) -> Checkpoint:
    """Return the checkpoint with a config that transformers knows.

    Raises:
        CheckpointError: a part is missing or of another model, or says what would give other vectors.
    """
    config = checkpoint.config
    for name, types in _PARTS[variant.native].items():
        part = config.get(name)
        if not isinstance(part, Mapping):
            raise CheckpointError(f"The config of {checkpoint.name!r} has no {name}; {variant.name} models have one.")
        if part.get("model_type") not in (None, *types):
            found = part["model_type"]
            raise CheckpointError(f"{name} has model_type {found!r}; {variant.name} models have {types[0]!r}.")
    _check_values(config, variant)
    native = {key: value for key, value in config.items() if key not in _NOT_NATIVE}
    return checkpoint.with_config({**native, "model_type": variant.native})


def _check_values(config: Mapping[str, Any], variant: Variant) -> None:
    if config.get("mask_non_image_embeddings"):
        raise CheckpointError(
            "config.json has mask_non_image_embeddings: true, which makes zeros of the vectors of words beside an "
            "image. cenote keeps these vectors; set it to false with hf_overrides if that is wanted."
        )
    if config.get("pooling") not in (None, "colbert"):
        raise CheckpointError(f"config.json has pooling {config['pooling']!r}; {variant.name} models have 'colbert'.")
    if config["vision_config"].get("deepstack_visual_indexes") and variant.native == "qwen3_5":
        raise CheckpointError("vision_config has deepstack_visual_indexes, which a Qwen3.5 model does not have.")
    is_causal, source = variant.causal, f"{variant.name} models are"
    if variant.contract is not None:
        is_causal, place = attention_contract(config, variant.contract)
        if place in ("config.json", "text_config"):
            source = f"by {variant.contract} in {place} this model is"
    for place, part in (("config.json", config), ("text_config", config["text_config"])):
        for key, causal in _CAUSAL.items():
            wanted = causal if is_causal else not causal
            if part.get(key) not in (None, wanted):
                raise CheckpointError(
                    f"{place} has {key}: {part[key]}, but {source} {'causal' if is_causal else 'bidirectional'}. Set "
                    "it with hf_overrides if that is a mistake."
                )


def attention_contract(config: Mapping[str, Any], key: str) -> tuple[bool, str]:
    """Return whether layers of full attention are causal, and who says so.

    Raises:
        CheckpointError: the value is unknown, or the two places that may hold it differ.

    Source: vLLM 0.32 for the key and its values; without it, colpali-engine's class is causal.
    """
    places = {"config.json": config, "text_config": config["text_config"]}
    found = {place: part[key] for place, part in places.items() if part.get(key) is not None}
    for place, value in found.items():
        if value not in ("causal", "bidirectional"):
            raise CheckpointError(f"{place}: {key} must be 'causal' or 'bidirectional', found {value!r:.40}.")
    if len(set(found.values())) > 1:
        shown = " and ".join(f"{value!r} in {place}" for place, value in found.items())
        raise CheckpointError(f"{key} is {shown}. Set both to what the model was trained with, with hf_overrides.")
    if not found:
        return True, "default of the model's code"
    place, value = next(iter(found.items()))
    return value == "causal", place


def declared_size(config: Mapping[str, Any], variant: Variant) -> tuple[int, str] | None:
    """Return the size of vectors that a config names, and the key; None where it names none.

    Raises:
        CheckpointError: it is no whole number above 0.
    """
    key = next((key for key in variant.sizes if config.get(key) is not None), None)
    if key is None:
        return None
    value = config[key]
    if type(value) is not int or value < 1:
        raise CheckpointError(f"config.json: {key} must be a whole number from 1 on, found {value!r:.40}.")
    return value, key
