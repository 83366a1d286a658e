"""Rotary position embedding, as the formula, in float32."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["rotary"]


def rotary(heads: Tensor, cos: Tensor, sin: Tensor, *, interleaved: bool = False) -> Tensor:
    """Rotate the first r components of each head, in pairs, by the angles of its token.

    Args:
        heads: [T, H, d] float.
        cos: [T, r] cosines, r even and at most d; both members of a pair have their own column.
        sin: [T, r] sines.
        interleaved: pairs are neighbours (2i, 2i + 1); else halves (i, i + r / 2).

    Returns:
        [T, H, d] in the dtype of `heads`; components from r on are as they were.

    Source: Su et al. 2021 (arXiv:2104.09864), eq. 34; the two layouts are those of transformers' `rotate_half` and of
    GPT-J's `rotate_every_two`.
    """
    width = cos.shape[-1]
    turned, rest = heads[..., :width].float(), heads[..., width:]
    if interleaved:
        pairs = turned.reshape(*turned.shape[:-1], width // 2, 2)
        partner = torch.stack((-pairs[..., 1], pairs[..., 0]), dim=-1).flatten(-2)
    else:
        partner = torch.cat((-turned[..., width // 2 :], turned[..., : width // 2]), dim=-1)
    result = (turned * cos.float()[:, None] + partner * sin.float()[:, None]).to(heads.dtype)
    return result if width == heads.shape[-1] else torch.cat((result, rest), dim=-1)
