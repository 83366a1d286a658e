"""Tiny Qwen-VL models in the layout of published ones, their transformers twins, and pictures for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import Qwen3_5Config, Qwen3_5Model, Qwen3VLConfig, Qwen3VLModel
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from cenote.adapters import LoadOptions
from cenote.adapters.packing import pack
from cenote.adapters.qwen_vl import (
    ImageRules,
    PreparedImage,
    VisualStack,
    expand_placeholders,
    load_visual_stack,
    prepare_image,
)
from cenote.checkpoints import Checkpoint, open_checkpoint
from cenote.config import PoolerConfig
from cenote.media import Picture

HEADS = ("embedding_proj_layer.", "custom_text_proj.")
_NATIVE = ("text_config", "vision_config", "image_token_id", "video_token_id", "tie_word_embeddings")


def native_config(checkpoint: Checkpoint) -> Any:
    """Return the config of transformers' class."""
    values = {name: checkpoint.config[name] for name in _NATIVE if name in checkpoint.config}
    return (Qwen3_5Config if checkpoint.config["model_type"] == "qwen3_5" else Qwen3VLConfig)(**values)


def load(folder: Path, **options: Any) -> VisualStack:
    """Load a look-alike as its plugin would."""
    checkpoint = open_checkpoint(str(folder))
    ahead = checkpoint.architectures == ("Qwen3VLNemotronEmbedModel",)
    settings = {"config": native_config(checkpoint), "heads": HEADS, "bidirectional": ahead, "skip_final_norm": ahead}
    own = ("ignored", "renames", "heads", "bidirectional", "skip_final_norm")
    settings |= {name: options.pop(name) for name in own if name in options}
    return load_visual_stack(
        checkpoint,
        LoadOptions(pooler_config=PoolerConfig(), **options),
        rules=ImageRules.of(checkpoint, {"max_pixels": 20000}),
        **settings,
    )


def picture(width: int, height: int) -> Image.Image:
    """Return noise that depends on the size."""
    values = np.random.default_rng(width * 1000 + height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


@dataclass
class Request:
    """A prompt: ids with one placeholder per picture."""

    ids: tuple[int, ...]
    pictures: tuple[Image.Image, ...] = ()
    lora: str | None = None


def requests(stack: VisualStack) -> list[Request]:
    """Return prompts of words alone, of one picture and of several, of unlike sizes."""
    image = stack.tokens.image
    one, two, three = picture(100, 64), picture(64, 180), picture(70, 70)
    return [
        Request((40, 41, image, 42, 43, 44), (one,)),
        Request(tuple(range(50, 73))),
        Request((image, 45, 46, image, 47), (two, three)),
        Request((99,)),
        Request((48, image, 49, 50), (three,)),
        Request((51, image), (two,)),
    ]


@dataclass
class Twin:
    """Transformers' own model with the same weights, run eagerly, one prompt at a time."""

    model: Any
    processor: Any
    image: int

    def hidden(self, request: Request) -> Tensor:
        """Return [tokens, hidden]."""
        extra: dict[str, Any] = {}
        counts: list[int] = []
        if request.pictures:
            extra = dict(self.processor(images=list(request.pictures), return_tensors="pt"))
            counts = (extra["image_grid_thw"].prod(-1) // 4).tolist()
        ids = torch.tensor([expand_placeholders(request.ids, {self.image: counts})])
        if counts:
            extra["mm_token_type_ids"] = (ids == self.image).int()
        with torch.inference_mode():
            found: Tensor = self.model(input_ids=ids, **extra).last_hidden_state[0]
        return found


def build_twin(folder: Path) -> Twin:
    """Load a look-alike's weights into transformers' class without the code under test."""
    checkpoint = open_checkpoint(str(folder))
    config = native_config(checkpoint)
    config._attn_implementation = "eager"
    model = (Qwen3_5Model if isinstance(config, Qwen3_5Config) else Qwen3VLModel)(config)
    stored = load_file(folder / "model.safetensors")
    names = {name: name.split("model.", 1)[-1] if name.startswith(("vlm.", "model.")) else name for name in stored}
    own = set(model.state_dict())
    weights = {names[name]: value for name, value in stored.items() if names[name] in own}
    model.load_state_dict(weights)
    if checkpoint.architectures == ("Qwen3VLNemotronEmbedModel",):
        model.language_model.config.is_causal = False
        model.language_model.norm = nn.Identity()
    processor = Qwen2VLImageProcessorPil(
        patch_size=16,
        size={"shortest_edge": 4096, "longest_edge": 20000},
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    return Twin(model.eval(), processor, config.image_token_id)


def run(stack: VisualStack, given: Sequence[Request]) -> list[Tensor]:
    """Return the hidden states of each prompt of one batch."""
    media: list[tuple[PreparedImage, ...] | None] = []
    sequences = []
    for request in given:
        images = tuple(prepare_image(Picture.of_image(item), stack.rules) for item in request.pictures)
        counts = [stack.tokens.count(image) for image in images]
        sequences.append(expand_placeholders(request.ids, {stack.tokens.image: counts}))
        media.append(images or None)
    with torch.inference_mode():
        hidden = stack.forward(pack(sequences, media=media, loras=[request.lora for request in given]))
    return list(hidden.float().split_with_sizes([len(ids) for ids in sequences]))
