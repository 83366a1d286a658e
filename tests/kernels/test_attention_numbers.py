"""Numbers that torch's own attention would lose on a CPU: NaN, infinity, scores that overflow, and odd scales."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from cenote.kernels.varlen_attention import cpu, reference

DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def tensors(tokens: int, dtype: torch.dtype) -> list[Tensor]:
    """Return query, key and value of two heads of 16."""
    drawn = torch.randn(3, tokens, 2, 16, generator=torch.Generator().manual_seed(tokens))
    return list(drawn.to(dtype).unbind())


def check(given: list[Tensor], *, tolerance: float = 1e-2, **options: Any) -> Tensor:
    """Compare with the reference, and return where numbers are NaN."""
    options = {"scale": 0.25} | options
    found: Tensor = cpu.varlen_attention(*given, **options)
    wanted = reference.varlen_attention(*given, **options)
    assert found.dtype == wanted.dtype
    assert torch.equal(found.isnan(), wanted.isnan())
    torch.testing.assert_close(found, wanted, atol=tolerance, rtol=0, equal_nan=True)
    return found.isnan()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("length", [1, 5, 64])
@pytest.mark.parametrize("odd", [float("nan"), float("inf"), float("-inf")], ids=str)
@pytest.mark.parametrize("wrong", [0, 1], ids=["query", "key"])
@pytest.mark.parametrize(
    "more", [{}, {"causal": True}, {"window": 3}, {"sinks": torch.ones(2)}], ids=lambda more: [*more]
)
def test_what_is_no_number_is_as_in_the_reference(
    dtype: torch.dtype, length: int, odd: float, wrong: int, more: dict[str, Any]
) -> None:
    given = tensors(length + 6, dtype)
    given[wrong][3, 0, 0] = odd
    spoilt = check(given, lengths=(3, length, 3), key_lengths=(3, length, 3), **more)
    assert not spoilt[:3].any()
    assert not spoilt[:, 1].any()
    assert not spoilt[length + 3 :].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("length", [1, 5, 64])
def test_scores_that_overflow_are_seen_though_all_that_is_given_is_finite(dtype: torch.dtype, length: int) -> None:
    given = tensors(length, dtype)
    for each in given[:2]:
        each[0, 0] = 1e25
    assert check(given, lengths=(length,), key_lengths=(length,), causal=True)[0, 0].all()


@pytest.mark.parametrize("odd", [float("nan"), float("inf")], ids=str)
def test_a_sink_that_is_no_number_spoils_its_head(odd: float) -> None:
    spoilt = check(
        tensors(9, torch.float32), lengths=(5, 4), key_lengths=(5, 4), causal=True, sinks=torch.tensor([0.5, odd])
    )
    assert spoilt.all(dim=-1).tolist() == [[False, True]] * 9


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_large_numbers_whose_scores_are_finite_stay_numbers(dtype: torch.dtype) -> None:
    given = tensors(40, dtype)
    given[0] *= 100.0
    assert not check(given, lengths=(40,), key_lengths=(40,)).any()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("scale", [0.0, -0.25, -2.0])
@pytest.mark.parametrize(
    "more", [{"causal": True}, {"window": 3}, {"key_lengths": (9, 3)}, {}], ids=lambda more: [*more]
)
def test_a_scale_that_is_not_positive_is_as_in_the_reference(
    dtype: torch.dtype, scale: float, more: dict[str, Any]
) -> None:
    options = {"lengths": (9, 7), "key_lengths": (9, 7)} | more
    assert not check(tensors(16, dtype), scale=scale, **options).any()
