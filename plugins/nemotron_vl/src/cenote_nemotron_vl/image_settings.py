"""How images are cut: by the user, the files of the processor, config.json, or the processor's own code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cenote.adapters.towers import FixedImages
from cenote.checkpoints import Checkpoint
from cenote.config import Fact
from cenote.errors import CheckpointError, InvalidRequest
from cenote_nemotron_vl.config import NemotronConfig, processor_values
from cenote_nemotron_vl.tiling import TiledImages

__all__ = ["OPTIONS", "tiled_images"]

#: What `mm_processor_kwargs` may set, with vLLM's names for the numbers of tiles beside the model's own.
OPTIONS = (
    "dynamic_image_size",
    "max_dynamic_patch",
    "max_input_tiles",
    "min_dynamic_patch",
    "min_input_tiles",
    "use_thumbnail",
)
#: Defaults of NVIDIA's processor.
_DEFAULTS: Mapping[str, Any] = {
    "min_input_tiles": 1,
    "max_input_tiles": 6,
    "dynamic_image_size": True,
    "use_thumbnail": True,
}
_VLLM = {"min_input_tiles": "min_dynamic_patch", "max_input_tiles": "max_dynamic_patch"}
#: Mean and deviation of pixels between 0 and 1.
_NORMS = {"siglip": ([0.5] * 3, [0.5] * 3), "imagenet": ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])}
_PARAM = "mm_processor_kwargs"
#: Tiles of one image that are a mistake.
_MOST = 256


def tiled_images(
    checkpoint: Checkpoint, config: NemotronConfig, kwargs: Mapping[str, Any], *, compat: str
) -> tuple[TiledImages, str]:
    """Return how images become tiles, and what to say of it.

    Args:
        checkpoint: for its files.
        config: of the model.
        kwargs: `mm_processor_kwargs`, which have the last word.
        compat: with `vllm`, config.json is asked by vLLM's names for numbers of tiles.

    Raises:
        CheckpointError: a file has an impossible value.
        InvalidRequest: the user gives an unknown name or an impossible value.

    Source: NVIDIA's processor; vLLM 0.32 for reading processor_config.json first, and for its names.
    """
    unknown = sorted(set(kwargs) - set(OPTIONS))
    if unknown:
        text = f"mm_processor_kwargs has {', '.join(map(repr, unknown))}; known are {', '.join(OPTIONS)}."
        raise InvalidRequest(text, param=_PARAM)
    stored = processor_values(checkpoint)
    found = {name: _value(name, kwargs, stored, checkpoint.config, compat) for name in _DEFAULTS}
    fewest, most = found["min_input_tiles"][0], found["max_input_tiles"][0]
    if not found["dynamic_image_size"][0]:
        fewest = most = 1
    if fewest > most:
        text = f"An image would be cut into at least {fewest} and at most {most} tiles."
        raise InvalidRequest(text, param=_PARAM) if kwargs else CheckpointError(text)
    tiles = TiledImages(
        images=_pixels(config.image_size, stored),
        fewest=fewest,
        most=most,
        thumbnail=found["use_thumbnail"][0],
    )
    tokens = tiles.largest * config.tokens**2
    source = found["max_input_tiles" if found["dynamic_image_size"][0] else "dynamic_image_size"][1]
    return tiles, Fact(tokens, source)


def _value(
    name: str, kwargs: Mapping[str, Any], stored: Mapping[str, Any], config: Mapping[str, Any], compat: str
) -> tuple[Any, str]:
    """Return a setting and who decided it."""
    alias = _VLLM.get(name, name)
    in_config = alias if compat == "vllm" else name
    places = (
        ("user", kwargs.get(name, kwargs.get(alias))),
        ("processor_config.json", stored.get(name)),
        ("config.json", config.get(in_config)),
        ("default of the model's code", _DEFAULTS[name]),
    )
    source, value = next((place, value) for place, value in places if value is not None)
    valid = type(value) is bool if type(_DEFAULTS[name]) is bool else type(value) is int and 1 <= value <= _MOST
    if valid:
        return value, source
    wanted = "true or false" if type(_DEFAULTS[name]) is bool else f"a whole number from 1 to {_MOST}"
    if source == "user":
        raise InvalidRequest(f"mm_processor_kwargs: {name} must be {wanted}, found {value!r:.40}.", param=_PARAM)
    raise CheckpointError(f"{source}: {name} must be {wanted}, found {value!r:.40}.")


def _pixels(size: int, stored: Mapping[str, Any]) -> FixedImages:
    norm = stored.get("norm_type", "siglip")
    if norm not in _NORMS:
        raise CheckpointError(f"processor_config.json: norm_type must be one of {', '.join(_NORMS)}, found {norm!r}.")
    mean, deviation = _NORMS[norm]
    values = {
        "size": {"height": size, "width": size},
        "resample": 3,
        "rescale_factor": 1 / 255,
        "image_mean": mean,
        "image_std": deviation,
    }
    return FixedImages.build("siglip", values, source="config.json")
