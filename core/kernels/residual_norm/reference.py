"""Residual and norm, as written in the formulas, in float32."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor

__all__ = ["Kind", "Stream", "residual_norm"]

#: `layer` subtracts the mean and divides by the standard deviation; `rms` divides by the root of the mean square.
Kind: TypeAlias = Literal["layer", "rms"]
#: What the next layer adds to: the sum (pre-norm models) or the normalised sum (post-norm models).
Stream: TypeAlias = Literal["sum", "norm"]


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
    """Normalise rows + residual, and return the stream that goes on as well.

    Args:
        rows: [T, h] float, what a layer computed.
        residual: [T, h] float that it is added to, or None.
        weight: [h] factor on the normalised values, or None.
        bias: [h] added last, or None.
        eps: added to the variance, or to the mean square.
        kind: which norm.
        stream: what is carried on.
        dtype: of the first result.

    Returns:
        The normalised values [T, h] in `dtype`, for the next product; and [T, h] float32, the sum or the normalised
        values, for the next residual. In float32 the two may be one tensor.

    Source: Ba et al. 2016 (arXiv:1607.06450), eq. 4; Zhang & Sennrich 2019 (arXiv:1910.07467), eq. 4.
    """
    total = rows.float() if residual is None else rows.float() + residual.float()
    centred = total - total.mean(dim=-1, keepdim=True) if kind == "layer" else total
    normed = centred * torch.rsqrt(centred.square().mean(dim=-1, keepdim=True) + eps)
    if weight is not None:
        normed = normed * weight.float()
    if bias is not None:
        normed = normed + bias.float()
    return normed.to(dtype), normed if stream == "norm" else total
