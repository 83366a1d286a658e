"""Run by test_triton.py: what does not fit is refused before a kernel reads memory that is not its own."""

from __future__ import annotations

import pytest
import torch

from cenote.errors import ShapeError
from cenote.kernels.segment_pool.triton import segment_pool


@pytest.mark.parametrize("lengths", [(9, 9), (1, 2), (6, -2)], ids=str)
def test_lengths_that_do_not_fit_the_rows(lengths: tuple[int, ...]) -> None:
    for reduce in ("sum", "mean", "max"):
        with pytest.raises(ShapeError, match="rows"):
            segment_pool(torch.ones(4, 8), lengths=lengths, reduce=reduce)
