"""What NVIDIA's own model computes, put together of transformers' classes: eager attention, one prompt at a time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaModel, SiglipVisionConfig, SiglipVisionModel

__all__ = ["hidden_states", "language_model", "tile_by_crops", "vision_rows"]


_EAGER: dict[str, Any] = {"attn_implementation": "eager"}


def _part(folder: Path, prefix: str) -> dict[str, Tensor]:
    stored = load_file(folder / "model.safetensors")
    return {name.removeprefix(prefix): value.float() for name, value in stored.items() if name.startswith(prefix)}


def _config(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return found


def language_model(folder: Path, prefix: str) -> LlamaModel:
    """Return the language model with its tensors of this prefix, which looks ahead."""
    config = _config(folder)
    values = {key: value for key, value in config.get("llm_config", config).items() if key != "model_type"}
    model = LlamaModel(LlamaConfig(**values, **_EAGER))
    model.load_state_dict(_part(folder, prefix), strict=True)
    model.config.is_causal = False
    model.train(False)
    return model


def vision_rows(folder: Path, pixels: Any) -> Tensor:
    """Return [tiles, tokens, hidden] of bytes [tiles, 3, size, size]."""
    config = _config(folder)
    values = {key: value for key, value in config["vision_config"].items() if key != "model_type"}
    tower = SiglipVisionModel(SiglipVisionConfig(**values, **_EAGER))
    tower.train(False)
    tower.load_state_dict(_part(folder, "vision_model.vision_model."), strict=True)
    width = 4 * config["vision_config"]["hidden_size"]
    hidden = config["llm_config"]["hidden_size"]
    layers = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, hidden))
    layers.load_state_dict(_part(folder, "mlp1."), strict=True)
    with torch.no_grad():
        rows = tower((torch.tensor(np.asarray(pixels)) / 255 - 0.5) / 0.5).last_hidden_state
        count, patches, size = rows.shape
        side = int(patches**0.5)
        rows = rows.reshape(count, side, side, size)
        # one axis after the other, as the model's own pixel shuffle does
        rows = rows.view(count, side, side // 2, size * 2).permute(0, 2, 1, 3).contiguous()
        rows = rows.view(count, side // 2, side // 2, size * 4).permute(0, 2, 1, 3).contiguous()
        found: Tensor = layers(rows.reshape(count, -1, size * 4))
    return found


def hidden_states(model: LlamaModel, ids: Sequence[int], rows: Tensor | None = None, context: int = -1) -> Tensor:
    """Return [T, hidden] for the ids of one prompt, with rows in place of placeholders."""
    tokens = torch.tensor([list(ids)])
    with torch.no_grad():
        embeds = model.get_input_embeddings()(tokens)
        if rows is not None:
            embeds[tokens == context] = rows.reshape(-1, embeds.shape[-1])
        found: Tensor = model(inputs_embeds=embeds, attention_mask=torch.ones_like(tokens)).last_hidden_state[0]
    return found


def tile_by_crops(image: Image.Image, columns: int, rows: int, size: int, *, thumbnail: bool) -> Any:
    """Return [tiles, 3, size, size] as NVIDIA's processor cuts an image: one crop after the other."""
    whole = image.resize((columns * size, rows * size))
    tiles = [
        whole.crop((column * size, row * size, (column + 1) * size, (row + 1) * size))
        for row in range(rows)
        for column in range(columns)
    ]
    if thumbnail and len(tiles) > 1:
        tiles.append(image.resize((size, size)))
    return np.stack([np.asarray(tile.resize((size, size), Image.Resampling.BICUBIC)) for tile in tiles]).transpose(
        0, 3, 1, 2
    )
