"""Rotary position embedding by halves, without copies of the halves."""

from __future__ import annotations

import torch
from torch import Tensor

from cenote.kernels.rotary import reference

__all__ = ["rotary"]


def rotary(heads: Tensor, cos: Tensor, sin: Tensor, *, interleaved: bool = False) -> Tensor:
    """Rotate as `reference.rotary` states it."""
    if interleaved or heads.dtype != torch.float32:
        return reference.rotary(heads, cos, sin, interleaved=interleaved)
    width, half = cos.shape[-1], cos.shape[-1] // 2
    cosines, sines = cos.float()[:, None], sin.float()[:, None]
    result = torch.empty_like(heads, memory_format=torch.contiguous_format)
    torch.mul(heads[..., :width], cosines, out=result[..., :width])
    result[..., :half].addcmul_(heads[..., half:width], sines[..., :half], value=-1)
    result[..., half:width].addcmul_(heads[..., :half], sines[..., half:])
    result[..., width:] = heads[..., width:]
    return result
