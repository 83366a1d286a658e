"""Keys that end before their sequence does are what an attention mask over the whole sequence hides."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cenote.kernels.varlen_attention import cpu, reference

LENGTHS = (9, 9, 14, 1, 6)
KEY_LENGTHS = (9, 4, 3, 1, 5)


def masked(
    query: Tensor, key: Tensor, value: Tensor, *, causal: bool, window: int | None, softcap: float | None
) -> Tensor:
    """Return attention of each sequence over all of its keys, with -inf added where a mask says no."""
    results, start = [], 0
    repeat = query.shape[1] // key.shape[1]
    for length, key_length in zip(LENGTHS, KEY_LENGTHS, strict=True):
        q, k, v = (rows[start : start + length].transpose(0, 1) for rows in (query, key, value))
        scores = q @ k.repeat_interleave(repeat, 0).transpose(1, 2) * q.shape[-1] ** -0.5
        scores = scores if softcap is None else softcap * torch.tanh(scores / softcap)
        mask = torch.zeros(length, length)
        for row, column in product(range(length), repeat=2):
            too_far = window is not None and abs(row - column) >= window
            if column >= key_length or too_far or (causal and column > row):
                mask[row, column] = float("-inf")
        weights = F.softmax(scores + mask, dim=-1).nan_to_num(0.0)
        results.append((weights @ v.repeat_interleave(repeat, 0)).transpose(0, 1))
        start += length
    return torch.cat(results)


@pytest.mark.parametrize("kernel", [cpu.varlen_attention, reference.varlen_attention], ids=["cpu", "reference"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("window", [None, 4, 20])
@pytest.mark.parametrize("softcap", [None, 1.5])
@pytest.mark.parametrize("key_heads", [4, 2])
def test_missing_keys_are_masked_keys(
    kernel: Callable[..., Tensor], causal: bool, window: int | None, softcap: float | None, key_heads: int
) -> None:
    generator = torch.Generator().manual_seed(5)
    shapes = ((4, 8), (key_heads, 8), (key_heads, 8))
    query, key, value = (torch.randn(sum(LENGTHS), *shape, generator=generator) for shape in shapes)
    options = {"causal": causal, "window": window, "softcap": softcap}
    found = kernel(query, key, value, lengths=LENGTHS, key_lengths=KEY_LENGTHS, scale=8**-0.5, **options)
    expected = masked(query, key, value, causal=causal, window=window, softcap=softcap)
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=0)


@pytest.mark.parametrize("kernel", [cpu.varlen_attention, reference.varlen_attention], ids=["cpu", "reference"])
@pytest.mark.parametrize("softcap", [None, 1.5])
def test_nan_stays_nan_and_only_what_sees_nothing_is_zero(kernel: Callable[..., Tensor], softcap: float | None) -> None:
    query, key, value = (torch.ones(8, 2, 4) for _ in range(3))
    query[1, 0, 0] = torch.nan
    found = kernel(query, key, value, lengths=(4, 4), key_lengths=(4, 0), scale=1.0, softcap=softcap)
    assert found.isnan().any(dim=-1).nonzero().tolist() == [[1, 0]]
    assert not found[4:].any()
