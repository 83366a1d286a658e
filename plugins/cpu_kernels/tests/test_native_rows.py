"""Compiled operators on rows equal the references, with each of their sets of instructions."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from cenote.kernels.bias_act import reference as bias_act_reference
from cenote.kernels.residual_norm import reference as norm_reference
from cenote.kernels.rotary import reference as rotary_reference
from cenote.kernels.segment_pool import reference as pool_reference
from cenote.testing.kernels import KernelConformance
from cenote_cpu_kernels.activation import bias_act
from cenote_cpu_kernels.library import LEVELS, level, library
from cenote_cpu_kernels.norm import residual_norm
from cenote_cpu_kernels.pool import l2_normalize, segment_pool
from cenote_cpu_kernels.rotary import rotary

#: Names of the levels that this machine has and that differ here: those above have no instructions for these.
USABLE = LEVELS[1 : min(library().cenote_level(), LEVELS.index("avx512")) + 1]
FLOAT32, BFLOAT16 = torch.float32, torch.bfloat16


@pytest.fixture(params=USABLE, autouse=True)
def at_level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Let the kernels use no more than a level."""
    monkeypatch.setenv("CENOTE_CPU_KERNELS_LEVEL", request.param)
    level.cache_clear()
    yield request.param
    monkeypatch.undo()
    level.cache_clear()


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


class TestNativeResidualNorm(KernelConformance):
    operator = "residual_norm"
    backend = "native"


class TestNativeBiasAct(KernelConformance):
    operator = "bias_act"
    backend = "native"


class TestNativeRotary(KernelConformance):
    operator = "rotary"
    backend = "native"


class TestNativeSegmentPool(KernelConformance):
    operator = "segment_pool"
    backend = "native"


class TestNativeL2Normalize(KernelConformance):
    operator = "l2_normalize"
    backend = "native"


def same(found: Tensor, wanted: Tensor, share: float) -> None:
    """Compare, with a tolerance that is a share of the largest number; NaN must be where it is in the other."""
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
    assert torch.equal(found.isnan(), wanted.isnan())
    largest = wanted.float().nan_to_num().abs().amax() if wanted.numel() else 0.0
    torch.testing.assert_close(found, wanted, rtol=0.0, atol=float(1 + largest) * share, equal_nan=True)


def drawn(seed: int, *shape: int, dtype: torch.dtype = FLOAT32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def share_of(dtype: torch.dtype) -> float:
    """What one rounding to the type may change."""
    return 4e-6 if dtype == FLOAT32 else 5e-3


@pytest.mark.parametrize("seed", range(12))
def test_norms_of_odd_shapes_and_mixed_types(seed: int) -> None:
    draw = random.Random(seed)
    count, width = draw.choice((1, 2, 63, 300)), draw.choice((2, 7, 16, 31, 64, 385, 768))
    types = [draw.choice((FLOAT32, BFLOAT16)) for _ in range(3)]
    # Columns of a wider tensor, as a product of several layers at once gives them.
    rows = drawn(seed, count, width + 5, dtype=types[0])[:, 3 : 3 + width]
    residual = draw.choice((None, drawn(seed + 1, count, width, dtype=types[1])))
    weight, bias = draw.choice((None, drawn(2, width))), draw.choice((None, drawn(3, width, dtype=BFLOAT16)))
    for kind in ("layer", "rms"):
        for stream in ("sum", "norm"):
            options = {"weight": weight, "bias": bias, "eps": 1e-5, "kind": kind, "stream": stream, "dtype": types[2]}
            found, wanted = (each(rows, residual, **options) for each in (residual_norm, norm_reference.residual_norm))
            same(found[0], wanted[0], share_of(types[2]))
            same(found[1], wanted[1], share_of(FLOAT32))


@pytest.mark.parametrize("activation", ["gelu", "gelu_tanh", "silu", "relu", "quick_gelu"])
@pytest.mark.parametrize("dtype", [FLOAT32, BFLOAT16], ids=str)
def test_activations_from_very_small_to_very_large_numbers(activation: str, dtype: torch.dtype) -> None:
    some = torch.cat([torch.linspace(-12, 12, 20011), torch.tensor([-1e4, -90.0, -0.0, 90.0, 1e4, torch.nan])])
    rows, bias = some[None].to(dtype), torch.full((len(some),), 0.25)
    for each in (None, bias):
        found = bias_act(rows, each, activation=activation)  # type: ignore[arg-type]
        wanted = bias_act_reference.bias_act(rows.double(), each, activation=activation).to(dtype)  # type: ignore[arg-type]
        torch.testing.assert_close(found, wanted, rtol=share_of(dtype), atol=2e-6, equal_nan=True)


@pytest.mark.parametrize("width", [1, 8, 17, 3072])
def test_the_gate_is_the_second_half(width: int) -> None:
    rows, bias = drawn(width, 9, 2 * width), drawn(1, 2 * width)
    options = {"activation": "silu", "gated": True}
    same(bias_act(rows, bias, **options), bias_act_reference.bias_act(rows, bias, **options), 2e-6)  # type: ignore[arg-type]


@pytest.mark.parametrize(("size", "turned"), [(64, 64), (128, 64), (40, 24), (6, 2), (96, 48)])
@pytest.mark.parametrize("interleaved", [False, True])
def test_heads_are_turned_where_they_lie_in_a_joint_product(size: int, turned: int, interleaved: bool) -> None:
    for dtype in (FLOAT32, BFLOAT16):
        heads = drawn(size, 70, 3, 5, size, dtype=dtype)[:, 1]
        angles = drawn(1, 70, turned)
        arguments = (heads, angles.cos(), angles.sin())
        found = rotary(*arguments, interleaved=interleaved)
        same(found, rotary_reference.rotary(*arguments, interleaved=interleaved), share_of(dtype))


@pytest.mark.parametrize("reduce", ["sum", "mean", "max"])
@pytest.mark.parametrize("width", [1, 15, 64, 100, 384])
def test_segments_of_every_size(reduce: str, width: int) -> None:
    lengths = (1, 0, 63, 64, 65, 700, 0, 2)
    for dtype in (FLOAT32, BFLOAT16):
        rows = drawn(width, sum(lengths), 2 * width, dtype=dtype)[:, width:]
        for normalize in (False, True):
            options = {"lengths": lengths, "reduce": reduce, "normalize": normalize}
            same(segment_pool(rows, **options), pool_reference.segment_pool(rows, **options), 4e-6)  # type: ignore[arg-type]


def test_a_maximum_with_nan_is_nan() -> None:
    rows = drawn(0, 9, 33)
    rows[3, 5] = rows[0, 32] = torch.nan
    found = segment_pool(rows, lengths=[9], reduce="max")
    assert found.isnan().nonzero().tolist() == [[0, 5], [0, 32]]


def test_a_row_of_zeros_stays_zero_and_other_types_are_left_to_the_reference() -> None:
    assert l2_normalize(torch.zeros(2, 20)).tolist() == torch.zeros(2, 20).tolist()
    same(l2_normalize(drawn(1, 3, 8).double()), l2_normalize(drawn(1, 3, 8)), 1e-6)
    assert rotary(drawn(1, 2, 1, 4).half(), drawn(2, 2, 4), drawn(3, 2, 4)).dtype == torch.float16


def test_two_threads_give_what_one_gives(two_threads: None) -> None:
    rows, heads, angles = drawn(0, 400, 384), drawn(1, 400, 6, 64), drawn(2, 400, 64)
    norm = {"weight": None, "bias": None, "eps": 1e-5, "kind": "layer", "stream": "sum", "dtype": FLOAT32}
    for calls in range(2):
        torch.set_num_threads(2 - calls)
        found = [
            residual_norm(rows, rows, **norm)[0],  # type: ignore[arg-type]
            bias_act(rows, None, activation="gelu"),
            rotary(heads, angles.cos(), angles.sin()),
            segment_pool(rows, lengths=[150, 1, 249], reduce="mean", normalize=True),
            l2_normalize(rows),
        ]
        if not calls:
            by_two = found
    for one, two in zip(found, by_two, strict=True):
        assert torch.equal(one, two)
