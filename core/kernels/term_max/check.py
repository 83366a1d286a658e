"""What every implementation of `term_max` refuses."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cenote.errors import ShapeError, WrongType
from cenote.kernels.lengths import check_lengths

__all__ = ["check_terms"]

_WHOLE = frozenset({torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8})


def check_terms(weights: Tensor, ids: Tensor, lengths: Sequence[int]) -> None:
    """Refuse ids that are no whole numbers, and lengths, weights and ids that do not fit together.

    Ids may be of any size; those of fewer than 64 bits become int64.

    Args:
        weights: [T].
        ids: [T].
        lengths: tokens of each sequence; they must sum to T, and none be negative.

    Raises:
        ShapeError: sizes do not fit.
        WrongType: ids are no whole numbers.
    """
    if ids.dtype not in _WHOLE and ids.numel():  # torch.tensor([]) is of floats
        raise WrongType(f"ids must be whole numbers, such as torch.int64, not {ids.dtype}.", param="ids")
    if ids.ndim != 1 or weights.shape != ids.shape:
        text = f"weights are {list(weights.shape)} and ids {list(ids.shape)}"
        raise ShapeError(f"{text}; one weight and one id for each token, [T] and [T], are needed.")
    check_lengths(lengths, len(ids), part="sequence", unit="ids")
