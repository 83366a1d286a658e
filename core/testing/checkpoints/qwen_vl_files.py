"""The files of models on Qwen3-VL beside weights and config: the tokenizer, the templates, how images are prepared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cenote.testing.checkpoints.decoder_tokenizers import DECODER_TOKENIZERS
from cenote.testing.checkpoints.tokenizer import TinyTokenizer

__all__ = ["CHAT_TEMPLATE", "answering_tokenizer", "nemotron_files", "visual_files", "visual_tokenizer"]

#: Qwen3-VL's turns for system and user messages: a part that is a picture is its placeholder.
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message.role + '\n' -}}"
    "{%- if message.content is string -%}{{- message.content -}}{%- else -%}"
    "{%- for part in message.content -%}"
    "{%- if part.type == 'image' or 'image' in part or 'image_url' in part -%}"
    "{{- '<|vision_start|><|image_pad|><|vision_end|>' -}}"
    "{%- elif part.type == 'video' or 'video' in part or 'video_url' in part -%}"
    "{{- '<|vision_start|><|video_pad|><|vision_end|>' -}}"
    "{%- elif 'text' in part -%}{{- part.text -}}{%- endif -%}"
    "{%- endfor -%}{%- endif -%}"
    "{{- '<|im_end|>\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}"
)
#: Pixels of the smallest image, 2 by 2 merged patches; the published files have 65536.
_SMALLEST = 4096


def visual_tokenizer() -> TinyTokenizer:
    """Return Qwen3-VL's: Qwen's byte-level BPE with the marks of images and videos."""
    return _with_settings(DECODER_TOKENIZERS["qwen_vl"]())


def answering_tokenizer() -> TinyTokenizer:
    """Return the same with the words that rerankers answer with."""
    return _with_settings(DECODER_TOKENIZERS["qwen_vl_answers"]())


def _with_settings(plain: TinyTokenizer) -> TinyTokenizer:
    settings = {
        **plain.settings,
        "additional_special_tokens": list(plain.extra_special[1:]),
        "bos_token": None,
        "clean_up_tokenization_spaces": False,
        "errors": "replace",
        "split_special_tokens": False,
        "unk_token": None,
    }
    return replace(plain, settings=settings)


def visual_files(processor: str, largest: int, **more: Any) -> Callable[[TinyTokenizer], dict[str, Any]]:
    """Return the builder of the files.

    Args:
        processor: class of the processor.
        largest: pixels of the largest image.
        more: further files by name, without the ending `.json`.
    """

    def files(_: TinyTokenizer) -> dict[str, Any]:
        return {
            "chat_template.json": {"chat_template": CHAT_TEMPLATE},
            "preprocessor_config.json": _preprocessor(processor, "image", largest),
            "video_preprocessor_config.json": _preprocessor(processor, "video", 25165824),
            **{f"{name}.json": content for name, content in more.items()},
        }

    return files


def nemotron_files(largest: int) -> Callable[[TinyTokenizer], dict[str, Any]]:
    """Return the builder of NVIDIA's files, whose processor has lengths and prefixes."""
    name = "Qwen3VLNemotronEmbedProcessor"
    settings = {
        "auto_map": {"AutoProcessor": f"processing_qwen3_vl_nemotron_embed.{name}"},
        "p_max_length": 4096,
        "passage_prefix": "passage:",
        "processor_class": name,
        "q_max_length": 512,
        "query_prefix": "query:",
        "reserve_tokens_for_images": 100,
    }
    return visual_files(name, largest, processor_config=settings)


def _preprocessor(processor: str, kind: str, largest: int) -> dict[str, Any]:
    """Return `preprocessor_config.json` of images or videos; the sizes are areas in pixels."""
    settings: dict[str, Any] = {
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "merge_size": 2,
        "patch_size": 16,
        "processor_class": processor,
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"longest_edge": largest, "shortest_edge": _SMALLEST},
        "temporal_patch_size": 2,
    }
    if kind == "image":
        return settings | {"image_processor_type": "Qwen2VLImageProcessorFast"}
    sampling = {"do_sample_frames": True, "fps": 2, "max_frames": 768, "min_frames": 4}
    return settings | sampling | {"video_processor_type": "Qwen3VLVideoProcessor"}
