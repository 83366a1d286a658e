"""The first layer of a vision tower as one matrix product.

It is a convolution whose kernel is as large as what it reads. torch computes that slowly on CPUs: 4960 patches of 1536
numbers took 0.60 s in bfloat16 and 0.33 s in float32 on two cores, the product 0.01 s and 0.05 s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from cenote.adapters.probes import relative_difference, tolerance

__all__ = ["FlatPatchEmbed", "flatten_patch_embed"]


class FlatPatchEmbed(nn.Module):
    """A linear layer with the weights of a convolution that sees a whole patch at once."""

    def __init__(self, convolution: nn.Conv3d) -> None:
        super().__init__()
        weight, bias = convolution.weight.flatten(1), convolution.bias
        with torch.device("meta"):
            self.proj = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, dtype=weight.dtype)
        self.proj.weight = nn.Parameter(weight, requires_grad=False)
        if bias is not None:
            self.proj.bias = nn.Parameter(bias, requires_grad=False)

    def forward(self, patches: Tensor) -> Tensor:
        """Return [n, hidden] of patches [n, inputs] in the layer's dtype."""
        rows: Tensor = self.proj(patches)
        return rows


def flatten_patch_embed(model: Any, check: Callable[[], Tensor]) -> None:
    """Put the product in the place of a tower's convolution, provided that its results stay equal.

    Args:
        model: vision tower of Qwen-VL.
        check: runs it on fixed images.
    """
    original = model.patch_embed
    convolution = original.proj
    if type(convolution) is not nn.Conv3d or convolution.kernel_size != convolution.stride or convolution.groups != 1:
        return
    expected = check()
    model.patch_embed = FlatPatchEmbed(convolution)
    difference = relative_difference(check(), expected)
    if not difference <= tolerance(model.dtype):
        model.patch_embed = original
