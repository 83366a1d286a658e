"""What every implementation of `linear` refuses."""

from __future__ import annotations

from torch import Tensor

from cenote.errors import ShapeError

__all__ = ["check_linear"]

_QUANTIZATIONS, _PRECISIONS = (None, "int8"), ("highest", "high")


def check_linear(weight: Tensor, bias: Tensor | None, quantization: str | None, precision: str) -> None:
    """Refuse a weight and a bias that do not fit, and names of nothing.

    Raises:
        ShapeError: the weight is no matrix, or the bias has not one number for each of its rows, on its device.
        ValueError: there is no such quantization or precision.
    """
    if quantization not in _QUANTIZATIONS:
        raise ValueError(f"quantization must be one of {_QUANTIZATIONS}, not {quantization!r:.40}.")
    if precision not in _PRECISIONS:
        raise ValueError(f"precision must be one of {_PRECISIONS}, not {precision!r:.40}.")
    if weight.ndim != 2:
        raise ShapeError(f"A weight is [out, in]; this one is {list(weight.shape)}.")
    if bias is not None and (bias.shape != weight.shape[:1] or bias.device != weight.device):
        raise ShapeError(
            f"The bias of a weight of {list(weight.shape)} on {weight.device} is [{len(weight)}] there; "
            f"this one is {list(bias.shape)} on {bias.device}."
        )
