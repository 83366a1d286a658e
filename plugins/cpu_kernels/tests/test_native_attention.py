"""Compiled attention equals the reference with every set of instructions that the machine has."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from cenote.errors import MissingDependency, ShapeError
from cenote.kernels.varlen_attention import reference
from cenote.testing.compare import assert_close
from cenote.testing.kernels import TOLERANCES, KernelConformance
from cenote_cpu_kernels.attention import attention_at, varlen_attention
from cenote_cpu_kernels.library import LEVELS, level

USABLE = range(1, level() + 1)
DTYPES = (torch.float32, torch.bfloat16)


@pytest.fixture(scope="class", params=USABLE, ids=[LEVELS[each] for each in USABLE])
def attention(request: pytest.FixtureRequest) -> Callable[..., Tensor]:
    """The kernel with the instructions of one level."""
    return partial(attention_at, request.param)


class TestNativeAttention(KernelConformance):
    operator = "varlen_attention"
    backend = "native"

    @pytest.fixture(scope="class")
    @classmethod
    def kernel(cls, attention: Callable[..., Tensor]) -> Callable[..., Any]:
        return attention


def tensors(lengths: Sequence[int], heads: tuple[int, int], sizes: tuple[int, int], dtype: torch.dtype) -> list[Tensor]:
    """Return query, key and value as views of the rows of one product, with some columns left over."""
    (count, key_count), (size, value_size) = heads, sizes
    widths = (count * size, key_count * size, key_count * value_size, 3)
    generator = torch.Generator().manual_seed(sum(lengths) + size)
    product = torch.randn(sum(lengths), sum(widths), generator=generator).to(dtype)
    parts = product.split(widths, dim=1)
    counts = (count, key_count, key_count)
    return [part.unflatten(1, (each, -1)) for part, each in zip(parts, counts, strict=False)]


def options(lengths: Sequence[int], size: int, **more: Any) -> dict[str, Any]:
    return {"lengths": tuple(lengths), "key_lengths": tuple(lengths), "scale": size**-0.5, **more}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("size", [32, 64, 96, 128, 1, 17, 80, 130])
def test_head_sizes_and_lengths_around_the_blocks(
    attention: Callable[..., Tensor], size: int, dtype: torch.dtype
) -> None:
    lengths = (1, 15, 16, 17, 24, 31, 33, 97, 0, 2)
    given = tensors(lengths, (4, 2), (size, size), dtype)
    found = attention(*given, **options(lengths, size))
    assert found.is_contiguous()
    expected = reference.varlen_attention(*given, **options(lengths, size))
    assert_close(found, expected, tolerance=TOLERANCES[str(dtype)[6:]])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("more", [{}, {"causal": True}, {"window": 30}, {"window": 300, "causal": True}], ids=str)
def test_sequences_of_several_blocks_of_keys(
    attention: Callable[..., Tensor], more: dict[str, Any], dtype: torch.dtype
) -> None:
    lengths = (1030, 385, 500)
    given = tensors(lengths, (2, 1), (32, 48), dtype)
    wanted = options(lengths, 32, **more) | {"key_lengths": (1030, 384, 391)}
    assert_close(
        attention(*given, **wanted),
        reference.varlen_attention(*given, **wanted),
        tolerance=TOLERANCES[str(dtype)[6:]],
    )


@pytest.mark.parametrize("seed", range(12))
def test_anything_in_any_combination(attention: Callable[..., Tensor], seed: int) -> None:
    chosen = random.Random(seed)
    lengths = [chosen.choice((0, 1, 7, 16, 23, 25, 64, 90, 200, 400)) for _ in range(chosen.randint(1, 4))]
    heads = chosen.choice(((1, 1), (2, 1), (6, 2), (3, 3), (8, 1)))
    size, dtype = chosen.choice((4, 8, 24, 33, 64)), DTYPES[seed % 2]
    given = tensors(lengths, heads, (size, chosen.choice((size, 6, 40))), dtype)
    if chosen.random() < 0.3:
        given = [each.transpose(0, 1).contiguous().transpose(0, 1) for each in given]
    wanted = options(
        lengths,
        size,
        key_lengths=tuple(chosen.randint(0, length) for length in lengths),
        causal=chosen.random() < 0.5,
        window=chosen.choice((None, 1, 5, 60)),
        softcap=chosen.choice((None, 2.0, 30.0)),
        sinks=torch.linspace(-4, 4, heads[0]) if chosen.random() < 0.5 else None,
    )
    found, expected = attention(*given, **wanted), reference.varlen_attention(*given, **wanted)
    assert_close(found, expected, tolerance=TOLERANCES[str(dtype)[6:]])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("length", [40, 700])
def test_huge_scores_and_rows_far_apart_in_size(
    attention: Callable[..., Tensor], length: int, dtype: torch.dtype
) -> None:
    query, key, value = tensors((length,), (2, 2), (16, 16), dtype)
    query = query * torch.logspace(-3, 4, length)[torch.randperm(length), None, None].to(dtype)
    key = key * torch.linspace(1, 30, length)[:, None, None].to(dtype)
    wanted = options((length,), 16)
    found = attention(query, key, value, **wanted)
    expected = reference.varlen_attention(query.double(), key.double(), value.double(), **wanted)
    assert torch.isfinite(found).all()
    # a score of 1e5 is known to 1e-2 in float32, so that neighbouring scores may change places
    wrong = (found.double() - expected).abs().amax(dim=(1, 2)) > 0.05
    assert wrong.double().mean() < 0.1


def test_a_score_that_one_row_alone_reaches_leaves_the_other_rows_exact(attention: Callable[..., Tensor]) -> None:
    """Rows share a reference in the softmax, so that a row far below the others must take one of its own."""
    query, key, value = tensors((48,), (1, 1), (8, 8), torch.float32)
    query, key = query.abs(), key.abs()
    query[5] = 5000.0
    query[7] = -100.0
    wanted = options((48,), 8)
    found, expected = attention(query, key, value, **wanted), reference.varlen_attention(query, key, value, **wanted)
    assert_close(found, expected, tolerance=2e-4)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_threads_and_repetition_change_no_bit(attention: Callable[..., Tensor], dtype: torch.dtype) -> None:
    lengths = (3, 400, 90, 90, 17)
    given, before = tensors(lengths, (4, 2), (32, 32), dtype), torch.get_num_threads()
    results = []
    for threads in (1, 2, 2):
        torch.set_num_threads(threads)
        try:
            results.append(attention(*given, **options(lengths, 32)))
        finally:
            torch.set_num_threads(before)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[1], results[2])


def test_other_dtypes_and_scales_are_the_cores() -> None:
    lengths = (5, 9)
    given = tensors(lengths, (2, 2), (8, 8), torch.float64)
    wanted = options(lengths, 8)
    found = varlen_attention(*given, **wanted)
    assert found.dtype == torch.float64
    assert_close(found, reference.varlen_attention(*given, **wanted), tolerance=1e-6)
    given, wanted = tensors(lengths, (2, 2), (8, 8), torch.float32), wanted | {"scale": -0.5}
    assert_close(varlen_attention(*given, **wanted), reference.varlen_attention(*given, **wanted), tolerance=1e-5)


def test_columns_apart_in_memory_and_no_rows() -> None:
    given = [torch.randn(12, 8, 2).transpose(1, 2) for _ in range(3)]
    wanted = options((12,), 8)
    assert_close(varlen_attention(*given, **wanted), reference.varlen_attention(*given, **wanted), tolerance=1e-5)
    assert varlen_attention(*(each[:0] for each in given), **options((), 8)).shape == (0, 2, 8)


@pytest.mark.parametrize("lengths", [(), (0, 0)], ids=str)
def test_no_row_at_all_in_a_thread_that_has_no_memory_yet(
    attention: Callable[..., Tensor], lengths: tuple[int, ...]
) -> None:
    with ThreadPoolExecutor(1) as fresh:
        found = fresh.submit(attention, *(torch.zeros(0, 2, 8) for _ in range(3)), **options(lengths, 8)).result()
    assert found.shape == (0, 2, 8)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("more", [{}, {"causal": True}, {"softcap": 5.0}], ids=str)
def test_a_score_that_is_no_number_is_seen_in_the_result(
    attention: Callable[..., Tensor], more: dict[str, Any], dtype: torch.dtype
) -> None:
    for wrong in (0, 1):  # of the query, which its row sees; of the key, which its sequence or later rows of it see
        given = [each.clone() for each in tensors((20, 20, 20), (2, 2), (16, 16), dtype)]
        given[wrong][25, 0, 3] = float("nan")
        found = attention(*given, **options((20, 20, 20), 16, **more))
        broken = torch.zeros(60, 2, 16, dtype=torch.bool)
        broken[slice(25, 26) if wrong == 0 else slice(25 if more.get("causal") else 20, 40), 0] = True
        assert torch.equal(found.isnan(), broken)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("wrong", [0, 3, 5, 9])
def test_a_row_that_is_no_number_leaves_the_rows_beside_it_as_they_are(
    attention: Callable[..., Tensor], wrong: int, dtype: torch.dtype
) -> None:
    """References of a block are found together, and one row has scores so large that its own must be right."""
    query, key, value = (each.abs() for each in tensors((60,), (1, 1), (16, 16), dtype))
    query[2], query[4], query[7] = 2000.0, 300.0, 30.0
    expected = attention(query, key, value, **options((60,), 16))
    query[wrong] = float("nan")
    found = attention(query, key, value, **options((60,), 16))
    others = torch.arange(60) != wrong
    assert found[wrong].isnan().all()
    assert_close(found[others], expected[others], tolerance=1e-3)


@pytest.mark.parametrize(
    "wrong",
    [{"lengths": (11,)}, {"key_lengths": (13,)}, {"key_lengths": (-1,)}, {"key_lengths": (6, 6)}],
    ids=str,
)
def test_lengths_that_do_not_fit_are_refused_before_memory_is_read(wrong: dict[str, Any]) -> None:
    given = tensors((12,), (2, 2), (8, 8), torch.float32)
    with pytest.raises(ShapeError):
        varlen_attention(*given, **(options((12,), 8) | wrong))


def test_tensors_that_do_not_fit_are_refused() -> None:
    query, key, value = tensors((12,), (2, 2), (8, 8), torch.float32)
    for given in ((query, key[:5], value), (query[:, :1], key, value), (query, key.bfloat16(), value)):
        with pytest.raises(ShapeError, match="does not go with"):
            varlen_attention(*given, **options((12,), 8))


def test_a_level_without_instructions_is_refused() -> None:
    given = tensors((12,), (2, 2), (8, 8), torch.float32)
    with pytest.raises(MissingDependency, match="none"):
        attention_at(0, *given, **options((12,), 8))
