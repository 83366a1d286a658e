"""The same arithmetic in two passes of torch's own, and no buffer beside the result."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["l2_normalize"]


def l2_normalize(rows: Tensor) -> Tensor:
    """Scale rows as `reference.l2_normalize` states it."""
    values = rows.float()
    lengths = torch.linalg.vector_norm(values, dim=-1, keepdim=True).clamp_min_(1e-12)
    return values / lengths if values is rows else values.div_(lengths)
