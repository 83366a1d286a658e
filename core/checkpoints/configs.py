"""From a config mapping to a transformers config object, without ever asking or running foreign code unasked."""

from __future__ import annotations

import difflib
from typing import Any

from transformers import CONFIG_MAPPING, AutoConfig, PreTrainedConfig

from cenote.checkpoints.checkpoint import Checkpoint
from cenote.checkpoints.quiet import quiet_transformers
from cenote.errors import CheckpointError, RemoteCodeRefused, UnknownArchitecture
from cenote.registry.known_plugins import KNOWN_CODE

__all__ = ["build_config", "is_remote"]

#: Sizes that a model cannot have zero or fewer of, where its config has them at all.
_SIZES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size")


def build_config(checkpoint: Checkpoint) -> PreTrainedConfig:
    """Build the config object of a checkpoint's `model_type`.

    The native class is used wherever transformers has one, also with `trust_remote_code`; the result then has no
    `auto_map`, so that nothing that sees it later can be sent to foreign code.

    Raises:
        RemoteCodeRefused: only the checkpoint's own code knows the model, and it may not run.
        UnknownArchitecture: neither transformers nor the checkpoint knows the model.
        CheckpointError: the class refuses the values.
    """
    model_type = checkpoint.model_type
    if model_type is None or model_type not in CONFIG_MAPPING:
        return _remote_config(checkpoint)
    values = {key: _with_floats(value) for key, value in checkpoint.config.items() if key != "auto_map"}
    try:
        with quiet_transformers():
            config = CONFIG_MAPPING[model_type].from_dict(values)
    except Exception as exc:  # config classes raise whatever their arithmetic on foreign values raises
        raise CheckpointError(
            f"The config of {checkpoint.name!r} is not a valid {model_type!r} config: {_first_line(exc)}"
        ) from exc
    _check_sizes(checkpoint, config)
    return config


def _with_floats(value: Any) -> Any:
    """Return a value with the numbers that JSON cannot hold, which transformers stores as `{"__float__": "Infinity"}`.

    Source: `PreTrainedConfig.save_pretrained` of transformers 5.
    """
    if isinstance(value, dict):
        named = value.get("__float__") if len(value) == 1 else None
        if named in ("Infinity", "-Infinity", "NaN"):
            return float(named)
        return {key: _with_floats(item) for key, item in value.items()}
    return [_with_floats(item) for item in value] if isinstance(value, list) else value


def is_remote(config: PreTrainedConfig) -> bool:
    """Tell whether a config's class is the checkpoint's own code."""
    return type(config).__module__.startswith("transformers_modules")


def _remote_config(checkpoint: Checkpoint) -> PreTrainedConfig:
    model_type, auto_map = checkpoint.model_type, checkpoint.config.get("auto_map")
    asked = f"{checkpoint.name!r} has " + (f"model_type {model_type!r}" if model_type else "no model_type")
    if not isinstance(auto_map, dict) or "AutoConfig" not in auto_map:
        raise _unknown(checkpoint, asked)
    if not checkpoint.trust_remote_code:
        plugin = KNOWN_CODE.get(str(auto_map["AutoConfig"]).partition("--")[0])
        install = f"Install its plugin (pip install {plugin})" if plugin else "Install a plugin for this model"
        raise RemoteCodeRefused(
            f"{asked}; only code that comes with it ({auto_map['AutoConfig']}) can load it, and that does not run by "
            f"default. {install}, or allow the code with trust_remote_code=True (--trust-remote-code) if you trust its "
            "author."
        )
    try:
        with quiet_transformers():
            config = AutoConfig.from_pretrained(checkpoint.backbone_path, trust_remote_code=True)
            remote: PreTrainedConfig = type(config).from_dict(checkpoint.config)
            return remote
    except Exception as exc:  # the checkpoint's code may raise anything
        raise CheckpointError(f"The code that comes with {checkpoint.name!r} failed: {_first_line(exc)}") from exc


def _unknown(checkpoint: Checkpoint, asked: str) -> UnknownArchitecture:
    """Build the error for a model that neither a plugin, nor transformers, nor code of its own can load."""
    model_type, names = checkpoint.model_type, checkpoint.architectures
    if model_type is None:
        return UnknownArchitecture(f"{asked}. Add one to config.json, or give hf_overrides={{'model_type': ...}}.")
    near = difflib.get_close_matches(model_type, list(CONFIG_MAPPING.keys()), n=3)
    text = f"{asked}, which transformers does not know"
    if names:
        text = f"No adapter for architecture {names[0]!r} (from config.json): {text}"
    what = f"a plugin that offers {names[0]!r}" if names else "a plugin for this model"
    text += f". Install {what} ('cenote plugins' lists those installed), or upgrade transformers."
    return UnknownArchitecture(text + (f" Near: {', '.join(near)}." if near else ""), architecture=model_type)


def _check_sizes(checkpoint: Checkpoint, config: PreTrainedConfig) -> None:
    for key in _SIZES:
        value: Any = getattr(config, key, None)
        if isinstance(value, int) and value <= 0:
            raise CheckpointError(f"The config of {checkpoint.name!r} has {key} = {value}; it must be positive.")


def _first_line(exc: Exception) -> str:
    text = str(exc).strip() or type(exc).__name__
    return " ".join(text.split())[:300]
