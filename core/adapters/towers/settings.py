"""Which image processor of transformers a checkpoint names, and with which settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cenote.checkpoints import Checkpoint
from cenote.checkpoints.files import read_object
from cenote.errors import CheckpointError

__all__ = ["KINDS", "processor_class", "processor_settings"]

#: Where settings stand: nested in one file, which transformers prefers, or in a file of their own.
_NESTED = ("processor_config.json", "image_processor")
_FILE = "preprocessor_config.json"
#: Kinds of processors by the class that files name; what is left of its name says only which library resizes.
KINDS: Mapping[str, str] = {
    "CLIPImageProcessor": "clip",
    "CLIPFeatureExtractor": "clip",
    "SiglipImageProcessor": "siglip",
    "Idefics3ImageProcessor": "idefics3",
}


def processor_settings(checkpoint: Checkpoint) -> tuple[str, dict[str, Any], str]:
    """Return the kind of a checkpoint's image processor, its settings, and the file that has them.

    Raises:
        CheckpointError: there are none, or they are for a processor that is not known.

    Source: `get_image_processor_dict` of transformers 5.23 for the order of the files; `feature_extractor_type` is how
    files of 2021 and 2022 name the class.
    """
    values, source = None, _FILE
    whole, own = (checkpoint.backbone_path / name for name in (_NESTED[0], _FILE))
    if whole.is_file():
        values = read_object(whole).get(_NESTED[1])
        source = _NESTED[0] if isinstance(values, dict) else _FILE
    if not isinstance(values, dict) and own.is_file():
        values = read_object(own)
    if not isinstance(values, dict):
        raise CheckpointError(
            f"{checkpoint.name!r} has neither {_FILE} nor {_NESTED[1]!r} in {_NESTED[0]}. Sizes and scales of images "
            "are not known without it. Get the file from where the model is."
        )
    name = values.get("image_processor_type") or values.get("feature_extractor_type")
    kind = KINDS.get(str(name).removesuffix("Fast").removesuffix("Pil"))
    if kind is None:
        known = ", ".join(sorted(KINDS))
        raise CheckpointError(
            f"{source} of {checkpoint.name!r} names the image processor {name!r}; known are {known}. Install a plugin "
            "for this model."
        )
    return kind, dict(values), source


def processor_class(kind: str) -> type[Any]:
    """Return the class of transformers that prepares images with Pillow, as the reference does on CPUs."""
    from transformers import CLIPImageProcessorPil, Idefics3ImageProcessorPil, SiglipImageProcessorPil

    found: dict[str, type[Any]] = {
        "clip": CLIPImageProcessorPil,
        "siglip": SiglipImageProcessorPil,
        "idefics3": Idefics3ImageProcessorPil,
    }
    return found[kind]
