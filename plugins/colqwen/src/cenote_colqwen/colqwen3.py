"""Tomoro's models and those of OpenSearch: a projection behind a causal Qwen3-VL."""

from __future__ import annotations

from cenote.adapters.processor_settings import Setting, Settings, count, text
from cenote.adapters.qwen_vl import Layout, Layouts, reference_layouts, visual
from cenote.errors import CheckpointError
from cenote_colqwen.variants import IMAGE_TOKENS, Variant, optional_count

__all__ = ["OPS", "TOMORO"]

#: How often a text ends in the token that lets a query say more than its words.
_AUGMENTATION = "<|endoftext|>" * 10
_QUESTION = f"<|im_start|>user\n{visual('image')}Describe the image."


def _tomoro_layouts(settings: Settings) -> Layouts:
    """Source: `ColQwen3Processor.__call__` of Tomoro's code; queries and documents of text are written alike."""
    written = Layout(settings["query_prefix"], _AUGMENTATION)
    prompt = settings["visual_prompt_prefix"]
    if prompt.count(visual("image")) != 1:
        raise CheckpointError(f"visual_prompt_prefix must hold {visual('image')!r} once, found {prompt!r:.120}.")
    image = Layout(prompt, settings["visual_prompt_suffix"], gap=" ")
    return reference_layouts({"query": written, "document": written}, {"image": image}, strips=True)


def _ops_layouts(settings: Settings) -> Layouts:
    """Return the layouts of OpenSearch's models.

    Source: `OpsColQwen3Processor`: `process_queries` for queries, `process_texts` for documents of text, which have
    nothing around them, and `process_images`. It has no text beside an image; this one is written as Tomoro does.
    """
    image = Layout(_QUESTION, "<|im_end|><|im_start|>assistant\n<|endoftext|>", gap=" ")
    return reference_layouts(
        {"query": Layout(settings["query_prefix"], _AUGMENTATION), "document": Layout()}, {"image": image}
    )


TOMORO = Variant(
    name="ColQwen3",
    native="qwen3_vl",
    sizes=("embed_dim",),
    projects=True,
    settings={
        "query_prefix": Setting(text, ""),
        "visual_prompt_prefix": Setting(text, _QUESTION),
        "visual_prompt_suffix": Setting(text, "<|im_end|><|endoftext|>"),
        IMAGE_TOKENS: Setting(count, 1280),
    },
    layouts=_tomoro_layouts,
)

OPS = Variant(
    name="Ops-ColQwen3",
    native="qwen3_vl",
    sizes=("dims",),
    projects=True,
    cuts=True,
    settings={"query_prefix": Setting(text, "Query: "), IMAGE_TOKENS: Setting(optional_count, None)},
    layouts=_ops_layouts,
)
