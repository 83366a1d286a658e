"""Bias and activation, step by step, in float32."""

from __future__ import annotations

from torch import Tensor

from cenote.kernels.activations import Activation, function_of

__all__ = ["bias_act"]


def bias_act(rows: Tensor, bias: Tensor | None, *, activation: Activation, gated: bool = False) -> Tensor:
    """Return act(rows + bias), or with a gate act(first half) · second half.

    Args:
        rows: [T, n] float.
        bias: [n], or None.
        activation: by name.
        gated: the first half of the columns is activated and multiplied with the second.

    Returns:
        [T, n], or [T, n / 2] where gated, in the dtype of `rows`; computed in float32.

    Source: Shazeer 2020 (arXiv:2002.05202), eq. 5 and 6.
    """
    values = rows.float() if bias is None else rows.float() + bias.float()
    act = function_of(activation)
    if not gated:
        return act(values).to(rows.dtype)
    first, second = values.chunk(2, dim=-1)
    return (act(first) * second).to(rows.dtype)
