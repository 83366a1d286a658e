"""Hand what a vision tower made of images to a language model, in a packed row or in padded ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from cenote.types import VisualInputs

__all__ = ["padded_visual", "select_visual", "visual_arguments"]


def select_visual(visual: VisualInputs, lengths: Sequence[int], indices: Sequence[int]) -> VisualInputs | None:
    """Return what belongs to some sequences of a batch, in the order of `indices`; None where they have no patches.

    Args:
        visual: of the batch.
        lengths: tokens of each of its sequences.
        indices: of the sequences.
    """
    counts = tuple(visual.counts[index] for index in indices)
    if not any(counts):
        return None
    rows = visual.rows.split_with_sizes(list(visual.counts))
    masks = visual.mask.split_with_sizes(list(lengths))
    positions: Tensor | None = None
    if visual.position_ids is not None:
        parts = visual.position_ids.split_with_sizes(list(lengths), dim=1)
        positions = torch.cat([parts[index] for index in indices], dim=1)
    return VisualInputs(
        rows=torch.cat([rows[index] for index in indices]),
        mask=torch.cat([masks[index] for index in indices]),
        counts=counts,
        position_ids=positions,
    )


def padded_visual(visual: VisualInputs, lengths: Sequence[int]) -> tuple[Tensor, Tensor | None]:
    """Return where patches stand [n, longest], and the positions [3, n, longest] if there are any, of padded rows."""
    masks = pad_sequence(list(visual.mask.split_with_sizes(list(lengths))), batch_first=True)
    if visual.position_ids is None:
        return masks, None
    rows = [part.T for part in visual.position_ids.split_with_sizes(list(lengths), dim=1)]
    return masks, pad_sequence(rows, batch_first=True).permute(2, 0, 1)


def visual_arguments(model: Any, ids: Tensor, rows: Tensor, mask: Tensor) -> dict[str, Any]:
    """Return the arguments that a language model of transformers takes in place of ids.

    Args:
        model: its base model.
        ids: [n, length].
        rows: [V, H * (1 + layers)], embeddings of patches, and what is added to them after the first layers.
        mask: [n, length] bool, where they stand, row by row.

    Source: `Qwen3VLModel.forward` of transformers 5.23.
    """
    embeds: Tensor = model.get_input_embeddings()(ids)
    first, *others = rows.to(embeds.dtype).tensor_split(rows.shape[-1] // embeds.shape[-1], dim=-1)
    embeds[mask] = first
    given: dict[str, Any] = {"inputs_embeds": embeds}
    if others:
        given |= {"visual_pos_masks": mask, "deepstack_visual_embeds": others}
    return given
