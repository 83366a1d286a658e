"""What the code of Qwen3-VL-Embedding and Qwen3-VL-Reranker sets by itself, whatever the files say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from cenote.adapters.base import LoadOptions
from cenote.adapters.qwen_vl.layouts import Layouts
from cenote.adapters.qwen_vl.limits import Lengths, PromptLimits
from cenote.adapters.qwen_vl.load import load_visual_stack
from cenote.adapters.qwen_vl.model import check_placeholders
from cenote.adapters.qwen_vl.rules import ImageRules
from cenote.adapters.qwen_vl.seeing import MediaReader
from cenote.adapters.qwen_vl.stack import VisualStack
from cenote.checkpoints import Checkpoint, build_config
from cenote.config import Fact
from cenote.errors import CheckpointError
from cenote.media import MediaCache
from cenote.registry import model_name

__all__ = ["EMBEDDING", "RERANKER", "LoadedParts", "PublishedModel", "image_sizes", "load_parts", "model_facts"]

#: Pixels of the square that becomes one token.
_TOKEN = 32 * 32
#: What a user may set in place of the model's own size of images.
_SIZES = {"max_pixels", "size", "max_num_visual_tokens"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedModel:
    """One family of published models.

    Attributes:
        name: for people; the last part of a model's name contains it.
        pixels: least and largest area of an image.
        tokens: longest prompt.
    """

    name: str
    pixels: tuple[int, int]
    tokens: int

    def matches(self, checkpoint: Checkpoint) -> bool:
        """Tell whether a checkpoint is called like the family, by its user or in its config."""
        names = (checkpoint.name, str(checkpoint.config_value("_name_or_path") or ""))
        return any(fnmatchcase(model_name(name).lower(), f"*{self.name.lower()}*") for name in names)


#: Source: `scripts/qwen3_vl_embedding.py` of the model cards, `MIN_PIXELS`, `MAX_PIXELS` and `MAX_LENGTH`.
EMBEDDING = PublishedModel(name="Qwen3-VL-Embedding", pixels=(4 * _TOKEN, 1800 * _TOKEN), tokens=8192)
#: Source: `scripts/qwen3_vl_reranker.py` of the model cards for pixels; the project's repository for the length.
RERANKER = PublishedModel(name="Qwen3-VL-Reranker", pixels=(4 * _TOKEN, 1280 * _TOKEN), tokens=10240)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedParts:
    """A loaded backbone and how it reads media.

    Attributes:
        visual: vision tower and language model.
        reader: measures and prepares media.
        limits: how long prompts may be.
        facts: what a report says of them.
    """

    visual: VisualStack
    reader: MediaReader
    limits: PromptLimits
    facts: dict[str, str]


def load_parts(checkpoint: Checkpoint, options: LoadOptions, own: PublishedModel | None) -> LoadedParts:
    """Load a backbone.

    Args:
        checkpoint: with a config of transformers' Qwen3-VL.
        options: what the user asked for.
        own: whose sizes of images and prompts hold; None: those of the files.

    Raises:
        CheckpointError: weights or files are missing or do not fit, or the config is of another model.
        InvalidRequest: an option does not fit the checkpoint.
    """
    found = checkpoint.config_value("model_type")
    if found != "qwen3_vl":
        raise CheckpointError(f"{checkpoint.name!r} has model_type {found!r}; this adapter runs 'qwen3_vl' only.")
    rules = ImageRules.of(checkpoint, image_sizes(options.mm_processor_kwargs, own))
    visual = load_visual_stack(checkpoint, options, config=build_config(checkpoint), rules=rules)
    check_placeholders(visual)
    lengths = None if own is None else Lengths(query=own.tokens, document=own.tokens, beside_image=0)
    reader = MediaReader(
        rules=rules,
        cache=MediaCache(options.media_cache_bytes),
        width=visual.tower.width,
        takes_embeds=options.enable_mm_embeds,
    )
    who = "user" if _SIZES & set(options.mm_processor_kwargs) else "files" if own is None else own.name
    facts: dict[str, str] = {
        "image tokens": Fact(rules.max_pixels // rules.factor**2, who),
        "modalities": "text, image",
    }
    limits = PromptLimits.of(visual.stack.max_tokens, lengths)
    return LoadedParts(visual=visual, reader=reader, limits=limits, facts=facts)


def model_facts(layouts: Layouts, own: PublishedModel | None, compat: str) -> dict[str, str]:
    """Return what a report says of layouts and of who decided them."""
    who = "default" if own is None and compat != "vllm" else "vllm" if own is None else own.name
    return {"layout": Fact(layouts.shown(), who)}


def image_sizes(kwargs: Mapping[str, Any], own: PublishedModel | None) -> Mapping[str, Any]:
    """Return the user's settings of images, and the model's own where the user says nothing."""
    size = kwargs.get("size", {})
    if own is None or not isinstance(size, Mapping):
        return kwargs
    least, most = own.pixels
    return {**kwargs, "size": {"shortest_edge": least, "longest_edge": most, **size}}
