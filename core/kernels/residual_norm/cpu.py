"""Residual and norm through torch's own norms, which read each row once."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cenote.kernels.residual_norm.reference import Kind, Stream

__all__ = ["residual_norm"]


def residual_norm(
    rows: Tensor,
    residual: Tensor | None,
    *,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    kind: Kind,
    stream: Stream,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor]:
    """Normalise as `reference.residual_norm` states it."""
    total = rows.float() if residual is None else torch.add(residual.float(), rows)
    scale = None if weight is None else weight.float()
    shift = None if bias is None else bias.float()
    if kind == "layer":
        normed = F.layer_norm(total, total.shape[-1:], scale, shift, eps)
    else:
        normed = F.rms_norm(total, total.shape[-1:], scale, eps)
        normed = normed if shift is None else normed + shift
    return normed.to(dtype), normed if stream == "norm" else total
