"""A loaded model that sees: vision tower and projection, language model, and the way from one into the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from cenote.adapters import LoadOptions
from cenote.adapters.stack import TextStack, load_stack
from cenote.adapters.towers import FixedTower, hidden_states, visual_rows
from cenote.checkpoints import Checkpoint
from cenote.errors import CheckpointError
from cenote.media import MediaCache
from cenote.types import PackedBatch
from cenote_nemotron_vl.config import NemotronConfig, read_config
from cenote_nemotron_vl.image_settings import tiled_images
from cenote_nemotron_vl.tiling import TiledImages
from cenote_nemotron_vl.weights import check_names, load_language_model, load_projection, load_vision

__all__ = ["CONTEXT", "Sight", "load_sight", "merge_patches"]

#: The placeholder that is repeated, one for each token of a tile.
CONTEXT = "<IMG_CONTEXT>"
#: Where the language model stands in models that low-rank adapters are made for.
_LORA_HEADS = ("model.language_model.", "language_model.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What reads words and images.

    Attributes:
        config: of the model.
        stack: the language model with its tokenizer and low-rank adapters.
        tower: makes rows of tiles.
        tiles: how images are cut.
        cache: of images that were cut.
        image_tokens: the most of an image, and who decided it.
    """

    config: NemotronConfig
    stack: TextStack
    tower: FixedTower
    tiles: TiledImages
    cache: MediaCache
    image_tokens: str

    def forward(self, batch: PackedBatch) -> Tensor:
        """Return the hidden states [T, hidden] of a batch, whose media are tuples of tiles in their order."""
        if not any(batch.media):
            return self.stack.backbone(batch)
        media = [item for items in batch.media for item in items or ()]
        rows = torch.cat([found.flatten(0, 1) for found in self.tower(media)])
        mask = batch.input_ids == self.config.context_token
        return self.stack.backbone(replace(batch, visual=visual_rows(batch, rows, mask)))

    def facts(self) -> dict[str, str]:
        """Return what a model's report says of its parts."""
        cut = f"{self.tiles.fewest} to {self.tiles.most} of {self.tiles.tile} x {self.tiles.tile} pixels"
        return {
            **self.stack.facts(),
            "tiles": cut + (", and a small picture of the whole" if self.tiles.thumbnail else ""),
            "image tokens": self.image_tokens,
            "vision tower": self.tower.execution,
        }


class _Projected(nn.Module):
    """Vision tower and projection as one model, so that both run and are checked together."""

    def __init__(self, vision: Any, projection: nn.Module, layer: int | None, merge: int) -> None:
        super().__init__()
        self.vision = vision
        self.projection = projection
        self._states = hidden_states(vision, layer)
        self._merge = merge

    @property
    def dtype(self) -> torch.dtype:
        """Return the type of the weights."""
        found: torch.dtype = self.vision.dtype
        return found

    @property
    def device(self) -> torch.device:
        """Return where the weights are."""
        found: torch.device = self.vision.device
        return found

    def forward(self, pixels: Tensor) -> Tensor:
        """Return [n, tokens, hidden] of [n, 3, height, width]."""
        rows: Tensor = self.projection(merge_patches(self._states(pixels), self._merge))
        return rows


def merge_patches(rows: Tensor, merge: int) -> Tensor:
    """Put the patches of each square side by side: [n, patches, width] to [n, patches / merge², width · merge²].

    Source: `pixel_shuffle` of NVIDIA's model with `ps_version` v2, in one step.
    """
    count, patches, width = rows.shape
    side = round(patches**0.5)
    parts = rows.reshape(count, side // merge, merge, side // merge, merge, width)
    return parts.transpose(2, 3).reshape(count, patches // merge**2, width * merge**2)


def load_sight(checkpoint: Checkpoint, options: LoadOptions, *, heads: Sequence[str] = ()) -> Sight:
    """Load everything but the head of a model.

    Args:
        checkpoint: the opened checkpoint.
        options: what the user asked for.
        heads: names of stored tensors that the caller reads itself.

    Raises:
        CheckpointError: weights or files are missing, unknown or do not fit.
        InvalidRequest: an option does not fit the checkpoint.
    """
    config = read_config(checkpoint)
    check_names(checkpoint, heads)
    tiles, image_tokens = tiled_images(checkpoint, config, options.mm_processor_kwargs, compat=options.compat)
    vision = load_vision(checkpoint, config, options, heads)
    language = load_language_model(checkpoint, config, options, heads)
    width = int(vision.config.hidden_size) * config.merge**2
    embeddings = language.get_input_embeddings().weight
    model = _Projected(
        vision, load_projection(checkpoint, width, embeddings.shape[1], embeddings), config.layer, config.merge
    ).eval()
    tower = FixedTower.of(model, tiles.images, run=model)
    stack = load_stack(config.language, options, whole=language, lora_heads=_LORA_HEADS)
    if stack.attention != "bidirectional":
        raise CheckpointError("The language model does not look ahead, as this model must.")
    found = stack.tokenizer.get_vocab().get(CONTEXT)
    if found != config.context_token or config.context_token >= stack.vocabulary:
        raise CheckpointError(
            f"config.json has img_context_token_id {config.context_token}, but the tokenizer's {CONTEXT!r} is {found}, "
            f"and there are {stack.vocabulary} embeddings. One of the files belongs to another model."
        )
    return Sight(
        config=config,
        stack=stack,
        tower=tower,
        tiles=tiles,
        cache=MediaCache(options.media_cache_bytes),
        image_tokens=image_tokens,
    )
