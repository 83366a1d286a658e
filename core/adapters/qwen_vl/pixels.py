"""Turn patches of bytes into the numbers that a vision tower reads, on its device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from cenote.adapters.qwen_vl.rules import ImageRules

__all__ = ["pixel_table", "pixel_values"]


def pixel_table(rules: ImageRules, device: str | torch.device = "cpu") -> Tensor:
    """Return the number that each of the 256 bytes becomes in each channel, [3 * 256] float32.

    Source: `rescale` (in float64, then rounded) and `normalize` (in float32) of transformers' image transforms.
    """
    scaled = (np.arange(256, dtype=np.float64) * rules.rescale).astype(np.float32)
    mean, std = (np.array(values, dtype=np.float32)[:, None] for values in (rules.mean, rules.std))
    return torch.from_numpy((scaled - mean) / std).flatten().to(device)


def pixel_values(patches: Tensor, table: Tensor, width: int) -> Tensor:
    """Return the numbers of patches.

    Args:
        patches: [n, 3 * t * size], of `PreparedImage`; t is 1 for an image, whose patches are repeated over time.
        table: of `pixel_table`.
        width: numbers of a patch that the model reads, 3 * frames of a patch * size.

    Returns:
        [n, width] float32, by channel, frame and place.
    """
    channels = patches.view(len(patches), 3, -1)
    offsets = torch.arange(3, dtype=torch.int32, device=patches.device)[:, None] * 256
    values = table[channels.int() + offsets]
    layers = width // patches.shape[1]
    return values[:, :, None].expand(-1, -1, layers, -1).flatten(1)
