"""L2 normalisation."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

__all__ = ["l2_normalize"]


def l2_normalize(rows: Tensor) -> Tensor:
    """Return x / max(‖x‖₂, 1e-12) along the last axis, in float32; a zero row stays zero.

    Source: sentence-transformers 6.2 `Normalize`, which calls `torch.nn.functional.normalize` with its defaults.
    """
    return F.normalize(rows.float(), p=2.0, dim=-1, eps=1e-12)
