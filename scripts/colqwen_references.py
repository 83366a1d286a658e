"""The models that `scripts/colqwen_goldens.py` computes with; nothing of cenote is imported.

Sources: for ColQwen3 the code that comes with TomoroAI/tomoro-colqwen3-embed, for Ops-ColQwen3 the class proposed to
mteb by its authors, for Nemotron ColEmbed the code that comes with nvidia/nemotron-colembed-vl, each in a public copy;
for ColQwen3.5 colpali-engine 0.3.18. Everything below the projection is transformers' own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import PreTrainedTokenizerFast, Qwen3VLConfig, Qwen3VLModel
from transformers.models.qwen2_vl import image_processing_pil_qwen2_vl as pil
from transformers.models.qwen3_vl import modeling_qwen3_vl

__all__ = ["MODELS", "Item", "Reference"]

_PAD = "<|endoftext|>"
_IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"
_PATCH = 32 * 32


@dataclass(frozen=True)
class Item:
    """One prompt: a text, a picture, or both."""

    role: str
    text: str
    picture: str | None = None
    image: Image.Image | None = None

    def facts(self) -> dict[str, Any]:
        """Return what names it in JSON."""
        return {"role": self.role, "text": self.text, "picture": self.picture}


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A model, how its prompts are written, and the mistakes that can be made.

    Attributes:
        title: what computes.
        layout: from an item and a mistake to the prompt's text, with one `<|image_pad|>` for a picture.
        run: from token ids, pixels, grids and a mistake to normalised vectors.
        tokenizer: of the folder.
        images: transformers' image processor, with the cap of the reference.
        takes: whether the reference reads such an item.
        traps: names of the mistakes.
        flipped: the mistake that is made, or `vllm` for what vLLM 0.32 computes with the projection's bias.
    """

    title: str
    layout: Callable[[Item, str], str]
    run: Callable[..., torch.Tensor]
    tokenizer: Any
    images: Any
    takes: Callable[[Item], bool] = lambda item: True
    traps: tuple[str, ...] = ()
    flipped: str = field(default="")

    def reads(self, item: Item) -> bool:
        """Tell whether the reference has a way to read this."""
        return self.takes(item)

    def count(self, width: int, height: int) -> int:
        """Return the visual tokens of a picture."""
        return int(self.images.get_number_of_image_patches(height, width) // self.images.merge_size**2)

    def ids(self, item: Item) -> tuple[list[int], int]:
        """Return the ids with one `<|image_pad|>` for a picture, and how many there are in its place."""
        text = _as_vllm(item) if self.flipped == "vllm" else self.layout(item, self.flipped)
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return list(ids), 0 if item.image is None else self.count(*item.image.size)

    def vectors(self, item: Item) -> torch.Tensor:
        """Return [tokens, size]."""
        ids, tokens = self.ids(item)
        image = self.tokenizer.convert_tokens_to_ids("<|image_pad|>")
        whole = [own for token in ids for own in ([token] * tokens if token == image else [token])]
        given: dict[str, Any] = {"input_ids": torch.tensor([whole])}
        if item.image is not None:
            pixels = self.images(images=[item.image], return_tensors="pt")
            given |= {"pixel_values": pixels["pixel_values"], "image_grid_thw": pixels["image_grid_thw"]}
            assert int(pixels["image_grid_thw"].prod()) == tokens * self.images.merge_size**2
        given["mm_token_type_ids"] = (given["input_ids"] == image).long()
        rows: torch.Tensor = self.run(given, self.flipped)
        return rows


def _as_vllm(item: Item) -> str:
    """Return the placeholder and the text, nothing else."""
    return ("" if item.image is None else _IMAGE) + item.text


def _folder(folder: Path, cap: int | None = None) -> dict[str, Any]:
    """Return the tokenizer and the image processor of a folder, capped at some visual tokens."""
    images = pil.Qwen2VLImageProcessorPil.from_pretrained(folder)
    if cap is not None:
        images.size["longest_edge"] = cap * _PATCH
    return {"tokenizer": PreTrainedTokenizerFast.from_pretrained(folder), "images": images}


def _backbone(folder: Path, prefix: str) -> tuple[Qwen3VLModel, dict[str, torch.Tensor], dict[str, Any]]:
    """Return transformers' model, the tensors that are not its own, and the config."""
    settings = json.loads((folder / "config.json").read_text())
    config = Qwen3VLConfig(text_config=settings["text_config"], vision_config=settings["vision_config"])
    for name in ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id"):
        setattr(config, name, settings[name])
    config._attn_implementation = "eager"
    model = Qwen3VLModel(config).eval()  # type: ignore[no-untyped-call]
    stored = load_file(folder / "model.safetensors")
    own = {name.removeprefix(prefix): value for name, value in stored.items() if name.startswith(prefix)}
    own = {name: value for name, value in own.items() if name.startswith(("visual.", "language_model."))}
    model.load_state_dict(own, strict=True)
    return model, {name: value for name, value in stored.items() if name.removeprefix(prefix) not in own}, settings


def _projected(
    model: Qwen3VLModel, weight: torch.Tensor, bias: torch.Tensor, size: int, given: dict[str, Any], flipped: str
) -> torch.Tensor:
    """Project, cut to a size, normalise; to cut what has length one leaves vectors that are shorter."""
    looking = _both_ways() if flipped == "bidirectional" else nullcontext()
    with looking:
        hidden = model(**given, use_cache=False).last_hidden_state[0]
    rows = torch.nn.functional.linear(hidden, weight, None if flipped == "no bias" else bias)
    if flipped == "cut after normalising":
        return torch.nn.functional.normalize(rows, dim=-1)[:, :size]
    return torch.nn.functional.normalize(rows[:, :size], dim=-1)


def _both_ways() -> Any:
    """Let every token see all others: eager attention without a mask."""
    return patch.object(modeling_qwen3_vl, "create_causal_mask", lambda **_: None)


def _tomoro(folder: Path) -> Reference:
    model, rest, settings = _backbone(folder, "vlm.model.")
    weight, bias = rest["embedding_proj_layer.weight"], rest["embedding_proj_layer.bias"]

    def layout(item: Item, flipped: str) -> str:
        text = item.text.strip()
        if item.image is None:
            return text + ("" if flipped == "no augmentation" else _PAD * 10)
        asked = "" if flipped == "no visual prompt" else "Describe the image."
        return f"<|im_start|>user\n{_IMAGE}{asked}{f' {text}' if text else ''}<|im_end|>{_PAD}"

    return Reference(
        title="transformers' Qwen3VLModel and a Linear, as in the code of tomoro-colqwen3-embed",
        layout=layout,
        run=partial(_projected, model, weight, bias, settings["embed_dim"]),
        **_folder(folder, cap=1280),
        traps=("no bias", "bidirectional", "no augmentation", "no visual prompt"),
    )


def _ops(folder: Path) -> Reference:
    model, rest, settings = _backbone(folder, "")
    weight, bias = rest["custom_text_proj.weight"], rest["custom_text_proj.bias"]

    def layout(item: Item, flipped: str) -> str:
        if item.image is None and item.role == "document":  # `process_texts` adds nothing
            return item.text
        if item.image is None:
            prefix = "" if flipped == "no prefix" else "Query: "
            return prefix + item.text + ("" if flipped == "no augmentation" else _PAD * 10)
        asked = "" if flipped == "no visual prompt" else "Describe the image."
        return f"<|im_start|>user\n{_IMAGE}{asked}<|im_end|><|im_start|>assistant\n{_PAD}"

    return Reference(
        title="transformers' Qwen3VLModel and a Linear, as in the class of Ops-ColQwen3",
        layout=layout,
        run=partial(_projected, model, weight, bias, settings["dims"]),
        **_folder(folder),
        takes=lambda item: item.image is None or not item.text,
        traps=("no bias", "bidirectional", "no prefix", "no augmentation", "no visual prompt")
        + (("cut after normalising",) if settings["dims"] < len(weight) else ()),
    )


def _nemotron(folder: Path) -> Reference:
    model, _, _ = _backbone(folder, "model.")
    processor = json.loads((folder / "processor_config.json").read_text())

    def layout(item: Item, flipped: str) -> str:
        if item.role == "query":
            prefix = "" if flipped == "no prefix" else f"Query: {processor['query_prefix']} "
            asked = prefix + item.text
        else:
            prefix = "" if flipped == "no prefix" else f"{processor['passage_prefix']} "
            asked = ("" if item.image is None else _IMAGE) + prefix + item.text
        return f"<|im_start|>user\n{asked}<|im_end|>\n<|im_start|>assistant\n"

    def run(given: dict[str, Any], flipped: str) -> torch.Tensor:
        before: list[torch.Tensor] = []
        hook = model.language_model.norm.register_forward_pre_hook(lambda _, inputs: before.append(inputs[0]))
        with nullcontext() if flipped in ("causal", "vllm") else _both_ways():
            after = model(**given, use_cache=False).last_hidden_state
        hook.remove()
        rows = after[0] if flipped in ("final norm", "vllm") else before[0][0]
        return torch.nn.functional.normalize(rows, dim=-1)

    return Reference(
        title="transformers' Qwen3VLModel without mask and final norm, as in the code of nemotron-colembed-vl",
        layout=layout,
        run=run,
        **_folder(folder),
        traps=("causal", "final norm", "no prefix"),
    )


def _colqwen3_5(folder: Path) -> Reference:
    # colpali-engine imports the image processor that needs torchvision; the one on Pillow has the same function.
    sys.modules.setdefault("transformers.models.qwen2_vl.image_processing_qwen2_vl", pil)
    from colpali_engine.models.qwen3_5.colqwen3_5 import (  # type: ignore[import-not-found]
        ColQwen3_5,
        ColQwen3_5Processor,
    )

    class Processor(ColQwen3_5Processor):  # type: ignore[misc]
        """Takes the image processor on Pillow and none for videos."""

        def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> type:
            return type(argument)

    model = ColQwen3_5.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    plain = _folder(folder)
    processor = Processor(image_processor=plain["images"], tokenizer=plain["tokenizer"])
    bias = model.custom_text_proj.bias.detach().clone()

    def layout(item: Item, flipped: str) -> str:
        if item.image is not None:
            asked = "" if flipped == "no visual prompt" else "Describe the image."
            return f"<|im_start|>user\n{_IMAGE}{asked}<|im_end|>{_PAD}"
        return item.text + ("" if flipped == "no augmentation" else _PAD * 10)

    def run(given: Mapping[str, Any], flipped: str) -> torch.Tensor:
        given = {**given, "attention_mask": torch.ones_like(given["input_ids"])}
        if "pixel_values" in given:
            given["pixel_values"] = given["pixel_values"][None]
        with torch.no_grad():
            model.custom_text_proj.bias.copy_(torch.zeros_like(bias) if flipped == "no bias" else bias)
            rows: torch.Tensor = model(**given)[0]
        return rows

    def checked(item: Item, flipped: str) -> str:
        """The processor's own ids are those of the layout."""
        text = layout(item, flipped)
        if not flipped:
            made = processor.process_images([item.image]) if item.image else processor.process_queries([item.text])
            ids = made["input_ids"][0].tolist()
            pad = processor.image_token_id
            short = [token for place, token in enumerate(ids) if token != pad or ids[place - 1] != pad]
            assert short == plain["tokenizer"](text, add_special_tokens=False)["input_ids"], item
        return text

    return Reference(
        title="colpali-engine's ColQwen3_5",
        layout=checked,
        run=run,
        **plain,
        takes=lambda item: item.image is None or not item.text,
        traps=("no bias", "no augmentation", "no visual prompt"),
    )


MODELS: Mapping[str, Callable[[Path], Reference]] = {
    "colqwen3": _tomoro,
    "ops_colqwen3": _ops,
    "ops_colqwen3_cut": _ops,
    "nemotron_colembed": _nemotron,
    "colqwen3_5": _colqwen3_5,
}
