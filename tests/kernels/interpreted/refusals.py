"""Run by test_triton.py: what does not fit is refused before a kernel reads memory that is not its own."""

from __future__ import annotations

import pytest
import torch

from cenote.errors import InvalidRequest, ShapeError
from cenote.kernels.maxsim.triton import maxsim
from cenote.kernels.segment_pool.triton import segment_pool
from cenote.kernels.term_max.triton import term_max


@pytest.mark.parametrize("lengths", [(9, 9), (1, 2), (6, -2)], ids=str)
def test_lengths_that_do_not_fit_the_rows(lengths: tuple[int, ...]) -> None:
    for reduce in ("sum", "mean", "max"):
        with pytest.raises(ShapeError, match="rows"):
            segment_pool(torch.ones(4, 8), lengths=lengths, reduce=reduce)


@pytest.mark.parametrize("dtype", [torch.float32, torch.int8], ids=str)
def test_vectors_without_components(dtype: torch.dtype) -> None:
    with pytest.raises(InvalidRequest, match="vectors have no components"):
        maxsim(torch.zeros(3, 0, dtype=dtype), torch.zeros(4, 0, dtype=dtype), lengths=[4])


def test_terms_that_do_not_fit() -> None:
    for weights, lengths in ((2, (4,)), (4, (9, 9)), (4, (6, -2))):
        with pytest.raises(ShapeError):
            term_max(torch.ones(weights), torch.arange(4), lengths=lengths)
