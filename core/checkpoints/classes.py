"""Which class of transformers loads a checkpoint's base model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import transformers
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_MAPPING

from cenote.checkpoints.checkpoint import Checkpoint
from cenote.checkpoints.configs import is_remote
from cenote.checkpoints.deferred import light_imports
from cenote.errors import UnknownArchitecture

__all__ = ["BaseClass", "base_class"]


@dataclass(frozen=True, slots=True)
class BaseClass:
    """What to load, and what of it is wanted.

    Attributes:
        loaded: the class; None where the checkpoint's own code decides.
        decoder: only its decoder is wanted.
    """

    loaded: type[PreTrainedModel] | None
    decoder: bool = False


def base_class(checkpoint: Checkpoint, config: PreTrainedConfig) -> BaseClass:
    """Choose the class that gives hidden states.

    It is transformers' base class of the config, with three exceptions. Of models made of an encoder and a decoder,
    the encoder is taken alone where transformers has a class for it (T5, as sentence-transformers does), and the
    decoder alone where the checkpoint was saved as a causal language model. Where transformers has no base class, the
    causal language model that the checkpoint names is loaded, and its decoder used.

    Raises:
        UnknownArchitecture: transformers has no class for this config.
    """
    if is_remote(config):
        return BaseClass(None)
    with light_imports():
        return _native_class(checkpoint, config)


def _native_class(checkpoint: Checkpoint, config: PreTrainedConfig) -> BaseClass:
    """Choose among transformers' own classes."""
    named = [found for name in checkpoint.architectures if (found := _fitting(name, config)) is not None]
    causal = next((found for found in named if found.__name__.endswith(("ForCausalLM", "LMHeadModel"))), None)
    mapped: Any = MODEL_MAPPING.get(type(config), ())
    classes: list[type[PreTrainedModel]] = list(mapped) if isinstance(mapped, list | tuple) else [mapped]
    if config.is_encoder_decoder or getattr(type(config), "is_encoder_decoder", False):
        if causal is not None:
            return BaseClass(causal, decoder=True)
        halves = [_fitting(f"{found.__name__.removesuffix('Model')}EncoderModel", config) for found in classes]
        classes = [half for half in halves if half is not None] or classes
    if classes:
        return BaseClass(next((found for found in named if found in classes), classes[0]))
    if causal is not None:
        return BaseClass(causal, decoder=True)
    raise UnknownArchitecture(
        f"{checkpoint.name!r}: transformers has no base model for model_type {config.model_type!r}. "
        "Install a plugin for this model.",
        architecture=next(iter(checkpoint.architectures), ""),
    )


def _fitting(name: str, config: PreTrainedConfig) -> type[PreTrainedModel] | None:
    """Return transformers' class of this name if it takes this config."""
    found: Any = getattr(transformers, name, None)
    try:
        takes = getattr(found, "config_class", None)
    except ImportError:  # a stand-in for a class whose packages are not installed
        return None
    return found if isinstance(takes, type) and isinstance(config, takes) else None
