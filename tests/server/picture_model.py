"""A pooling model of texts and images without a transformer, for tests of the ways that media take over HTTP.

A word is a token whose hidden state says how long it is; each 8 x 8 pixels of an image are one with their mean colour.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from cenote.errors import InvalidRequest, PromptTooLong
from cenote.media import MediaCache, Picture
from cenote.poolers import ClassifierHead, EmbeddingHead, SequenceClassifier, SequencePooler, TaskPooler, TokenPooler
from cenote.poolers.sequence import get_method
from cenote.types import (
    ModelLimits,
    PackedBatch,
    PatchGrid,
    PoolingBatch,
    PoolingParams,
    PreparedInput,
    Prompt,
    Role,
    TokenizationOptions,
)

__all__ = ["PLACEHOLDER", "SIDE", "PictureModel"]

#: Pixels of a side of a patch.
SIDE = 8
#: What stands for an image in a text, and must not be written there by users.
PLACEHOLDER = "<|image_pad|>"
_MOST = 100


class PictureModel:
    """Gives vectors [5]: three colours, the length of a word, and one."""

    def __init__(self, modalities: tuple[str, ...] = ("text", "image")) -> None:
        self.media_cache = MediaCache(100_000)
        mean, head = SequencePooler(get_method("MEAN"), EmbeddingHead()), EmbeddingHead(normalize=False)
        labels = SequenceClassifier(self._logits, ClassifierHead(activation=torch.sigmoid))
        self.pooler = TaskPooler({"embed": mean, "token_embed": TokenPooler(head), "classify": labels})
        self.limits = ModelLimits(
            max_tokens=_MOST, embedding_size=5, hidden_size=5, max_token_id=1000, modalities=modalities, num_labels=3
        )

    def prepare(
        self, prompt: Prompt, role: Role | None, params: PoolingParams, tokenization: TokenizationOptions
    ) -> PreparedInput:
        """Put images in front of the words."""
        text = prompt.text or ""
        for message in prompt.messages or ():
            content = message["content"] or ""
            parts = [content] if isinstance(content, str) else [part.get("text", "") for part in content]
            text = " ".join([text, *parts])
        if PLACEHOLDER in text:
            raise InvalidRequest(f"The text holds {PLACEHOLDER!r}, which stands for an image.", param="input")
        rows: list[tuple[float, ...]] = []
        grids = []
        for item in prompt.media:
            grid = self.media_cache.get(item.value.digest, partial(_patches, item.value))
            grids.append(PatchGrid(start=len(rows), rows=grid.shape[0], columns=grid.shape[1]))
            rows += [(*colour, 0.0, 1.0) for colour in grid.reshape(-1, 3).tolist()]
        rows += [(0.0, 0.0, 0.0, float(len(word)), 1.0) for word in text.split()]
        if not rows:
            raise InvalidRequest("The prompt is empty.", param="input")
        if len(rows) > tokenization.max_tokens if tokenization.max_tokens else len(rows) > _MOST:
            raise PromptTooLong(f"The prompt has {len(rows)} tokens; at most {_MOST} are read.", param="input_tokens")
        return PreparedInput(token_ids=(0,) * len(rows), media=torch.tensor(rows), grids=tuple(grids))

    def forward(self, batch: PackedBatch) -> Tensor:
        """Return the rows that were prepared."""
        return torch.cat(list(batch.media))

    def report(self) -> dict[str, str]:
        return {}

    def _logits(self, hidden: Tensor, batch: PoolingBatch) -> Tensor:
        return torch.stack([part[:, :3].mean(0) for part in hidden.split_with_sizes(list(batch.lengths))])


def _patches(picture: Picture) -> np.ndarray:
    """Return the mean colours [rows, columns, 3] of an image's patches, from 0 to 1."""
    rows, columns = max(1, picture.height // SIDE), max(1, picture.width // SIDE)
    if rows * columns > _MOST:
        text = f"The image takes {rows * columns} tokens; at most {_MOST} are read. Send a smaller one."
        raise PromptTooLong(text, param="input_tokens")
    pixels = np.asarray(picture.rgb().resize((columns * SIDE, rows * SIDE)), dtype=np.float64) / 255
    return pixels.reshape(rows, SIDE, columns, SIDE, 3).mean((1, 3))
