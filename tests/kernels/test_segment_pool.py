"""What backends of `segment_pool` refuse; Triton's is in `interpreted/refusals.py`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from cenote.errors import ShapeError
from cenote.kernels.segment_pool import cpu, reference

BACKENDS = [reference.segment_pool, cpu.segment_pool]


@pytest.mark.parametrize("pool", BACKENDS, ids=["reference", "cpu"])
@pytest.mark.parametrize("reduce", ["sum", "mean", "max"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ((9, 9), "lengths sum to 18, but there are 4 rows"),
        ((1, 2), "lengths sum to 3, but there are 4 rows"),
        ((), "lengths sum to 0, but there are 4 rows"),
        ((6, -2), "Segment 1 has -2 rows"),
    ],
    ids=str,
)
def test_lengths_that_do_not_fit_are_refused_before_memory_is_read(
    pool: Callable[..., Tensor], reduce: str, dtype: torch.dtype, lengths: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        pool(torch.ones(4, 8, dtype=dtype), lengths=lengths, reduce=reduce)


@pytest.mark.parametrize("pool", BACKENDS, ids=["reference", "cpu"])
def test_what_is_no_matrix_and_names_of_nothing_are_refused(pool: Callable[..., Tensor]) -> None:
    with pytest.raises(ShapeError, match=r"are \[T, h\]; these are \[4\]"):
        pool(torch.ones(4), lengths=(4,), reduce="sum")
    with pytest.raises(ValueError, match="not 'median'"):
        pool(torch.ones(4, 8), lengths=(4,), reduce="median")
