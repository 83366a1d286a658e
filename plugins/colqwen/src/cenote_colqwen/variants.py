"""In what the models of this plugin differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cenote.adapters.processor_settings import Setting, Settings, count
from cenote.adapters.qwen_vl import Layouts, Lengths

__all__ = ["IMAGE_TOKENS", "Variant", "optional_count"]

#: The setting of a processor that caps the tokens of an image, in place of the sizes that its image processor has.
IMAGE_TOKENS = "max_num_visual_tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One family of models.

    Attributes:
        name: for messages.
        native: `model_type` of the config that transformers has for its backbone.
        sizes: keys of config.json that may name the size of vectors, the strongest first.
        projects: hidden states are projected; else a vector is a hidden state.
        settings: what its processor may be saved with.
        layouts: makes the layouts of the settings.
        lengths: makes the lengths of the settings; None: the model's own limit for all.
        cuts: the size in config.json is how many components of the projection are kept.
        kinds: media that it reads.
        causal: tokens do not see later ones.
        final_norm: the last norm of the language model is applied.
        contract: key of config.json that says whether the layers of full attention are causal.
    """

    name: str
    native: str
    sizes: tuple[str, ...]
    projects: bool
    settings: Mapping[str, Setting]
    layouts: Callable[[Settings], Layouts]
    lengths: Callable[[Settings], Lengths] | None = None
    cuts: bool = False
    kinds: tuple[str, ...] = ("image",)
    causal: bool = True
    final_norm: bool = True
    contract: str | None = None


def optional_count(value: Any) -> int | None:
    """Return a number of tokens, or None.

    Raises:
        ValueError: it is neither.
    """
    return None if value is None else count(value)
