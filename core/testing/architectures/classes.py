"""Which classes of transformers' base and causal-LM auto maps are text models, and why the others are not."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

__all__ = ["Architecture", "architectures", "classifiers"]

#: Parameters of a `forward`, and parts of a config, that belong to something other than text.
_FOREIGN = re.compile(r"pixel|audio|image|video|visual|vision|vq_|speech|input_features|input_values|protein|codec")
#: What the language half of a model for images may be given, and does not need.
_HARMLESS = frozenset({"visual_pos_masks", "deepstack_visual_embeds"})
#: Classes that take input ids and are no text models all the same.
_OTHER: Mapping[str, str] = {
    "DiaModel": "text to speech: its decoder gives codes of sounds",
    "FastSpeech2ConformerModel": "text to speech: gives spectrograms",
    "FastSpeech2ConformerWithHifiGan": "text to speech: gives sounds",
    "Gemma4AssistantForCausalLM": "drafts tokens from the hidden states of another model, not from input ids",
    "Gemma4UnifiedAssistantForCausalLM": "drafts tokens from the hidden states of another model, not from input ids",
    "HiggsAudioV2ForConditionalGeneration": "text to speech: its ids are codes of sounds",
    "ImageGPTModel": "its ids are colours of pixels",
    "MuseGlimmerAssistantModel": "drafts tokens from the hidden states of another model, not from input ids",
    "MusicgenForCausalLM": "its ids are codes of sounds, several per position",
    "MusicgenMelodyForCausalLM": "its ids are codes of sounds, several per position",
    "MusicgenMelodyModel": "its ids are codes of sounds, several per position",
    "MusicgenModel": "its ids are codes of sounds, several per position",
    "VitsModel": "text to speech: gives sounds",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A class of the auto maps.

    Attributes:
        name: as `architectures` of a config.json has it.
        model_type: of its config.
        foreign: why it is no text model; empty for text models.
    """

    name: str
    model_type: str
    foreign: str = ""


@cache
def architectures() -> tuple[Architecture, ...]:
    """Return every class of the auto maps of base models and causal language models, sorted by name."""
    from transformers.models.auto import modeling_auto

    return _classes(modeling_auto.MODEL_MAPPING_NAMES, modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


@cache
def classifiers(task: str) -> tuple[Architecture, ...]:
    """Return every class of the auto map of `classify` or `token_classify`, sorted by name."""
    from transformers.models.auto import modeling_auto

    if task == "classify":
        return _classes(modeling_auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES)
    return _classes(modeling_auto.MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES)


def _classes(*maps: Mapping[str, Any]) -> tuple[Architecture, ...]:
    """Return the classes of auto maps, each once, under the model type of its own config."""
    from transformers import CONFIG_MAPPING

    found: dict[str, Architecture] = {}
    for names in maps:
        for model_type, value in names.items():
            for name in (value,) if isinstance(value, str) else value:
                model_class = _class(name)
                if model_class is None:
                    found.setdefault(name, Architecture(name=name, model_type=model_type, foreign=_UNAVAILABLE))
                    continue
                own = model_class.config_class.model_type
                kept = own if own in CONFIG_MAPPING else model_type
                found.setdefault(name, Architecture(name=name, model_type=kept, foreign=_foreign(model_class)))
    return tuple(found[name] for name in sorted(found))


_UNAVAILABLE = "needs a package that is not installed"


def _class(name: str) -> Any:
    import transformers

    found = getattr(transformers, name, None)
    try:
        return found if getattr(found, "config_class", None) is not None else None
    except ImportError:  # a stand-in for a class whose packages are not installed
        return None


def _foreign(model_class: Any) -> str:
    """Say why a class is no text model, or nothing."""
    parameters = inspect.signature(model_class.forward).parameters
    if model_class.__name__ in _OTHER:
        return _OTHER[model_class.__name__]
    named = [name for name in parameters if _FOREIGN.search(name) and name not in _HARMLESS]
    if named:
        return f"takes {named[0]}"
    if "input_ids" not in parameters:
        return "takes no token ids"
    parts = [name for name in getattr(model_class.config_class, "sub_configs", None) or {} if _FOREIGN.search(name)]
    return f"its config has a part for other inputs, {parts[0]}" if parts else ""
