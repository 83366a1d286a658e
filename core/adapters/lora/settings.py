"""What an `adapter_config.json` may ask for; everything else is refused by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from cenote.errors import CheckpointError

__all__ = ["check_settings"]

#: Fields that peft interprets and that leave an update of the form scale * up * down, or that say nothing of it.
_UNDERSTOOD = frozenset(
    {
        "alpha_pattern",
        "auto_mapping",
        "base_model_name_or_path",
        "exclude_modules",
        "fan_in_fan_out",
        "inference_mode",
        "layers_pattern",
        "layers_to_transform",
        "lora_alpha",
        "lora_dropout",
        "megatron_core",
        "peft_version",
        "qalora_group_size",
        "r",
        "rank_pattern",
        "revision",
        "runtime_config",
        "target_modules",
        "task_type",
        "use_rslora",
    }
)
#: Fields with the values that are fine. The other ways to initialise change the weights of the base model.
_ALLOWED: Mapping[str, tuple[Any, ...]] = {
    "peft_type": ("LORA",),
    "bias": ("none",),
    "init_lora_weights": (True, False, "gaussian", "orthogonal", "eva"),
}


def check_settings(settings: Mapping[str, Any], name: str, defaults: type) -> None:
    """Refuse what would not be computed exactly.

    Args:
        settings: content of `adapter_config.json`.
        name: of the adapter, for messages.
        defaults: peft's dataclass of the settings; a field that is not understood must have its default.

    Raises:
        CheckpointError: names the field.
    """
    known = {field.name: field.default for field in dataclasses.fields(defaults)}
    for key in ("peft_type", "r", "target_modules"):
        if key not in settings:
            raise CheckpointError(f"adapter_config.json of adapter {name!r} has no {key!r}.")
    for key, value in settings.items():
        allowed = _ALLOWED.get(key)
        if allowed is not None:
            if value not in allowed:
                known_values = " or ".join(repr(item) for item in allowed)
                raise CheckpointError(f"Adapter {name!r} has {key} = {value!r}; cenote runs only {known_values}.")
        elif key not in _UNDERSTOOD and value and value != known.get(key):
            raise CheckpointError(f"Adapter {name!r} has {key} = {value!r}, which cenote cannot run. {_ADVICE}")


_ADVICE = "Merge it into the base model with peft's merge_and_unload(), and load the result."
