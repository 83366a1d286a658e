"""An adapter for CLIP's vision tower, as small as one can be: it proves the way of an image through the engine."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import CLIPImageProcessorPil, CLIPVisionModel

from cenote.adapters import LoadOptions
from cenote.checkpoints import Checkpoint
from cenote.errors import InvalidRequest
from cenote.poolers import EmbeddingHead, SequencePooler, TaskPooler, TokenPooler, get_method
from cenote.types import ModelLimits, PackedBatch, PoolingParams, PreparedInput, Prompt, Role, TokenizationOptions

__all__ = ["VisionAdapter", "picture_size"]


def picture_size(width: int, height: int) -> dict[str, int]:
    """Upright images become 48 x 32 pixels, others 32 x 48, so that a batch holds unlike numbers of patches."""
    return {"height": 48, "width": 32} if height > width else {"height": 32, "width": 56}


class VisionModel:
    """Vectors of patches; the first token of an image stands for all of it."""

    def __init__(self, folder: str) -> None:
        self._model = CLIPVisionModel.from_pretrained(folder).eval()
        self._images = CLIPImageProcessorPil.from_pretrained(folder)
        size = self._model.config.hidden_size
        vectors = SequencePooler(get_method("CLS"), EmbeddingHead(normalize=True))
        self.pooler = TaskPooler({"embed": vectors, "token_embed": TokenPooler(EmbeddingHead(normalize=True))})
        self.limits = ModelLimits(
            max_tokens=64, embedding_size=size, hidden_size=size, max_token_id=0, modalities=("image",)
        )

    def prepare(
        self, prompt: Prompt, role: Role | None, params: PoolingParams, tokenization: TokenizationOptions
    ) -> PreparedInput:
        if len(prompt.media) != 1 or prompt.text:
            raise InvalidRequest("This model reads one image and no text.", param="multi_modal_data")
        image = prompt.media[0].value.rgb()
        pixels = self._images(image, size=picture_size(*image.size), return_tensors="pt")["pixel_values"]
        patches = pixels.shape[2] * pixels.shape[3] // self._model.config.patch_size**2
        return PreparedInput(token_ids=(0,) * (1 + patches), media=pixels)

    def forward(self, batch: PackedBatch) -> Tensor:
        """Run images of one size together."""
        rows: list[Any] = [None] * len(batch.media)
        for length in set(batch.lengths):
            places = [place for place, own in enumerate(batch.lengths) if own == length]
            pixels = torch.cat([batch.media[place] for place in places])
            hidden = self._model(pixels, interpolate_pos_encoding=True).last_hidden_state
            for place, row in zip(places, hidden, strict=True):
                rows[place] = row
        return torch.cat(rows)

    def report(self) -> dict[str, str]:
        return {}


class VisionAdapter:
    """Loads what transformers saved."""

    @classmethod
    def load(cls, checkpoint: Checkpoint, options: LoadOptions) -> VisionModel:
        return VisionModel(str(checkpoint.path))
