"""Put what a vision tower made of images where a prompt has their placeholders."""

from __future__ import annotations

from torch import Tensor

from cenote.errors import InvalidRequest
from cenote.types import PackedBatch, VisualInputs

__all__ = ["visual_rows"]


def visual_rows(batch: PackedBatch, rows: Tensor, mask: Tensor) -> VisualInputs:
    """Return what a backbone reads in place of placeholders, in a model that counts patches as it counts words.

    Args:
        batch: of prompts whose placeholders are repeated, one per row.
        rows: [V, hidden], embeddings of the media of all prompts in their order.
        mask: [T] bool, where placeholders stand.

    Raises:
        InvalidRequest: there are more or fewer placeholders than rows.
    """
    counts = tuple(int(part.sum()) for part in mask.split_with_sizes(list(batch.lengths)))
    if sum(counts) != len(rows):
        raise InvalidRequest(f"The prompts have {sum(counts)} placeholders; their images have {len(rows)} tokens.")
    return VisualInputs(rows=rows, mask=mask, counts=counts)
