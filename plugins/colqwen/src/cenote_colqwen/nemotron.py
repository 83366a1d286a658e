"""NVIDIA's Nemotron ColEmbed: a Qwen3-VL whose tokens see later ones, read before its last norm, with no projection."""

from __future__ import annotations

from cenote.adapters.processor_settings import Setting, Settings, count, text
from cenote.adapters.qwen_vl import Layout, Layouts, Lengths, reference_layouts, visual
from cenote_colqwen.variants import Variant

__all__ = ["NEMOTRON"]

_USER = "<|im_start|>user\n"
#: The end of the user's turn, and the beginning of the answer that the chat template opens.
_ANSWER = "<|im_end|>\n<|im_start|>assistant\n"


def _layouts(settings: Settings) -> Layouts:
    """Return the layouts.

    Source: `Qwen3VLNemotronEmbedProcessor`, whose documents are one image and a text, and the chat template of
    Qwen3-VL, which it fills. It has no documents without an image; these are written as if the image were left out.
    """
    query = settings["query_prefix"] and f"{settings['query_prefix']} "
    passage = settings["passage_prefix"] and f"{settings['passage_prefix']} "
    return reference_layouts(
        {"query": Layout(f"{_USER}Query: {query}", _ANSWER), "document": Layout(f"{_USER}{passage}", _ANSWER)},
        {"image": Layout(f"{_USER}{visual('image')}{passage}", _ANSWER)},
    )


def _lengths(settings: Settings) -> Lengths:
    return Lengths(
        query=settings["q_max_length"],
        document=settings["p_max_length"],
        beside_image=settings["reserve_tokens_for_images"],
    )


NEMOTRON = Variant(
    name="Nemotron ColEmbed",
    native="qwen3_vl",
    sizes=(),
    projects=False,
    settings={
        "query_prefix": Setting(text, "query:"),
        "passage_prefix": Setting(text, "passage:"),
        "q_max_length": Setting(count, 512),
        "p_max_length": Setting(count, 4096),
        "reserve_tokens_for_images": Setting(count, 100),
    },
    layouts=_layouts,
    lengths=_lengths,
    causal=False,
    final_norm=False,
)
