"""Products equal products in float64, at every level that the machine has; what a level lacks is the core's."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from cenote.errors import MissingDependency, ShapeError
from cenote.kernels.activations import function_of
from cenote.kernels.linear import reference
from cenote.testing.kernels import KernelConformance
from cenote_cpu_kernels.library import LEVELS, level
from cenote_cpu_kernels.linear import linear_at, prepare_linear

Prepare = Callable[..., reference.Product]
AMX = LEVELS.index("amx")
#: Of `linear_at`: all products are the core's below avx512.
USABLE = range(LEVELS.index("avx2"), level() + 1)
ACTIVATIONS: tuple[Any, ...] = (None, "gelu", "gelu_tanh", "silu", "relu", "quick_gelu")
#: in, out: multiples of a tile's sides, and numbers that are none; with several groups of rows, panels and steps.
SHAPES = ((384, 96), (130, 129), (1, 20000), (17, 1000), (2080, 64))


@pytest.fixture(scope="class", params=USABLE, ids=[LEVELS[each] for each in USABLE])
def prepare(request: pytest.FixtureRequest) -> Prepare:
    """The kernel with the instructions of one level."""
    return partial(linear_at, request.param)


def instructions(prepare: Prepare) -> int:
    return prepare.args[0]  # type: ignore[attr-defined, no-any-return]


def is_compiled(prepare: Prepare, dtype: torch.dtype = torch.float32, quantization: str | None = None) -> bool:
    """Tell whether a product is the package's own at the level."""
    lowest = "avx512_vnni" if quantization else "avx512_bf16" if dtype == torch.bfloat16 else "avx512"
    return instructions(prepare) >= LEVELS.index(lowest)


class TestNativeLinear(KernelConformance):
    operator = "linear"
    backend = "native"


def factors(rows: int, width: int, out: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Return rows, a weight and a bias, of which products are of size 1."""
    generator = torch.Generator().manual_seed(rows + width + out)
    made = [torch.randn(*shape, generator=generator) for shape in ((rows, width), (out, width), (out,))]
    return made[0].to(dtype), (made[1] / width**0.5).to(dtype), made[2].to(dtype)


def exact(rows: Tensor, weight: Tensor, bias: Tensor | None, activation: Any = None) -> Tensor:
    """Return the product in float64."""
    result = rows.double() @ weight.double().T
    result = result if bias is None else result + bias.double()
    return result if activation is None else function_of(activation)(result)


def assert_near(found: Tensor, wanted: Tensor, least: float = 4e-6) -> None:
    """Assert that numbers differ by no more than rounding to their dtype, and a sum's error of `least`."""
    allowed = least + wanted.abs() * (2.0**-8 if found.dtype == torch.bfloat16 else 4e-6)
    assert ((found.double() - wanted).abs() <= allowed).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("rows", [0, 1, 5, 14, 17, 28, 33, 42, 43, 49, 70])
def test_numbers_of_rows_that_fill_no_tile(prepare: Prepare, rows: int, dtype: torch.dtype) -> None:
    for width, out in SHAPES:
        given, weight, bias = factors(rows, width, out, dtype)
        assert_near(prepare(weight, bias)(given), exact(given, weight, bias))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_more_rows_than_a_group_has(prepare: Prepare, dtype: torch.dtype) -> None:
    given, weight, bias = factors(1100, 400, 200, dtype)
    assert_near(prepare(weight, bias)(given), exact(given, weight, bias))


def test_slices_of_very_long_rows_change_no_bit(prepare: Prepare) -> None:
    """64 rows of a width of 3,072 fit the cache whole, 530 rows are multiplied slice by slice."""
    given, weight, bias = factors(530, 3072, 200, torch.float32)
    product = prepare(weight, bias)
    assert_near(product(given), exact(given, weight, bias))
    if is_compiled(prepare):
        assert torch.equal(product(given)[256:320], product(given[256:320]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("rows", [40, 56])
def test_activations_are_of_the_sum_before_it_is_rounded(
    prepare: Prepare, rows: int, activation: Any, dtype: torch.dtype
) -> None:
    given, weight, bias = factors(rows, 160, 160, dtype)
    given = given * 4  # to where the activations are flat on both sides
    wanted = exact(given, weight, bias, activation)
    found = prepare(weight, bias)(given, activation=activation)
    # The core's bfloat16 sums may be rounded before the activation.
    assert_near(found, wanted, 2e-5 if is_compiled(prepare, dtype) or dtype == torch.float32 else 6e-2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_without_bias_and_of_any_layout(prepare: Prepare, dtype: torch.dtype) -> None:
    given, weight, _ = factors(48, 256, 192, dtype)
    product = prepare(weight, None)
    wide = torch.zeros(48, 300, dtype=dtype)
    wide[:, 7:263] = given
    wanted = exact(given, weight, None)
    layouts = (given, wide[:, 7:263], given.T.contiguous().T, given.view(4, 12, 256), given[:, None])
    for rows in layouts:
        assert_near(product(rows).reshape(48, 192), wanted)
        assert product(rows).shape == (*rows.shape[:-1], 192)
    assert_near(product(wide[::3, 7:263]), wanted[::3])
    assert product(given[0]).shape == (192,)


def test_high_precision_keeps_about_sixteen_bits(prepare: Prepare) -> None:
    given, weight, bias = factors(64, 512, 256, torch.float32)
    assert_near(prepare(weight, bias, precision="high")(given), exact(given, weight, bias), 1e-4)


def test_six_products_are_as_exact_as_float32(prepare: Prepare) -> None:
    given, weight, _ = factors(256, 768, 384, torch.float32)
    given = given * torch.logspace(-2, 1.5, 768)  # as in models: some columns are far larger than others
    wanted = exact(given, weight, None)
    ours, plain = (product(given).double() - wanted for product in (prepare(weight, None), lambda x: x @ weight.T))
    assert ours.square().mean().sqrt() <= 1.05 * plain.square().mean().sqrt()


@pytest.mark.parametrize("rows", [6, 70])
def test_huge_and_tiny_numbers_stay_numbers(prepare: Prepare, rows: int) -> None:
    largest = torch.finfo(torch.float32).max
    weight = torch.eye(160)
    given = torch.zeros(rows, 160)
    given[0, 3], given[1, 4], given[2, 5], given[3, 6] = largest, -largest, 1e-30, 1.2345678e30
    found = prepare(weight, None)(given)
    assert torch.allclose(found, given, rtol=1e-6, atol=1e-36)
    given[4, 0], given[5, 0] = float("nan"), float("inf")
    found = prepare(weight, None)(given)
    assert torch.isfinite(found[:4]).all()
    assert not torch.isfinite(found[4:6, 0]).any()
    given.view(torch.int32)[3, 0] = 0x7FFFFFFF  # the NaN of GPUs
    assert prepare(weight, None)(given)[3, 0].isnan()


@pytest.mark.parametrize("activation", [None, "gelu"])
def test_int8_is_that_of_the_reference(prepare: Prepare, activation: Any) -> None:
    for dtype in (torch.float32, torch.bfloat16):
        for rows, width, out in ((1, 256, 128), (37, 400, 100), (300, 130, 200)):
            given, weight, bias = factors(rows, width, out, dtype)
            given[::3] += 3.0  # most steps above zero
            wanted = reference.prepare_linear(weight, bias, quantization="int8")(given, activation=activation)
            found = prepare(weight, bias, quantization="int8")(given, activation=activation)
            # A number halfway between two steps may go either way.
            tolerance = 2.0**-7 if dtype == torch.bfloat16 else 1e-4
            apart = (found.float() - wanted.float()).abs() > tolerance * (1 + wanted.float().abs())
            assert apart.float().mean() < 0.02
            assert (found.float() - wanted.float()).abs().max() < 0.05


def test_int8_rows_of_zeros_and_of_what_is_no_number(prepare: Prepare) -> None:
    _, weight, bias = factors(1, 256, 128, torch.float32)
    given = torch.zeros(3, 256)
    product = prepare(weight, bias, quantization="int8")
    assert torch.allclose(product(given), bias.expand(3, -1))
    given[1, 7], given[2, 3] = 1e-20, 1e-39
    assert torch.isfinite(product(given)).all()


@pytest.mark.parametrize("activation", ["silu", "quick_gelu"])
def test_activations_of_huge_numbers_below_zero_are_zero(prepare: Prepare, activation: Any) -> None:
    given = torch.zeros(6, 160)
    given[0], given[1], given[2], given[3], given[4] = -3e38, -1e36, -1e33, -80.0, 1e36
    found = prepare(torch.eye(160), None)(given, activation=activation)
    assert found[:4].abs().amax() < 1e-30
    assert torch.allclose(found[4:], given[4:], rtol=1e-6)


def test_an_int8_weight_that_is_no_number_gives_none(prepare: Prepare) -> None:
    given, weight, bias = factors(5, 256, 128, torch.float32)
    weight[3, 7] = float("nan")
    found = prepare(weight, bias, quantization="int8")(given)
    assert torch.equal(found.isnan(), (torch.arange(128) == 3).expand(5, -1))


@pytest.mark.parametrize("quantization", [None, "int8"])
def test_one_thread_and_two_give_the_same(prepare: Prepare, quantization: Any) -> None:
    before = torch.get_num_threads()
    given, weight, bias = factors(200, 384, 300, torch.float32)
    product = prepare(weight, bias, quantization=quantization)
    results = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results += [product(given), product(given[:9])]
    finally:
        torch.set_num_threads(before)
    if is_compiled(prepare, quantization=quantization):
        assert all(torch.equal(each, results[0]) for each in results[::2])
        assert all(torch.equal(each, results[1]) for each in results[1::2])
        # On AMX few rows of float32 are multiplied as they are, many in parts: as exact, but not equal to the bit
        if quantization is None and instructions(prepare) == AMX:
            assert_near(results[1], results[0][:9], 1e-5)
        else:
            assert torch.equal(results[1], results[0][:9])
    else:
        assert torch.allclose(results[0], results[2], atol=1e-5)


@pytest.mark.parametrize("rows", [torch.zeros(2, 255), torch.zeros(2, 256, device="meta")], ids=["narrow", "meta"])
def test_rows_of_another_width_or_place_are_refused(prepare: Prepare, rows: Tensor) -> None:
    _, weight, bias = factors(1, 256, 128, torch.float32)
    with pytest.raises(ShapeError if is_compiled(prepare) else RuntimeError):
        prepare(weight, bias)(rows)


def test_rows_of_float64_are_computed_in_float32_or_refused_by_the_core(prepare: Prepare) -> None:
    given, weight, bias = factors(3, 256, 128, torch.float32)
    product = prepare(weight, bias)
    if not is_compiled(prepare):
        with pytest.raises(RuntimeError, match="Double"):
            product(given.double())
        return
    found = product(given.double())
    assert found.dtype == torch.float64
    assert_near(found, exact(given, weight, bias))


def level_number(name: str) -> int:
    if level() < (found := LEVELS.index(name)):
        pytest.skip(f"This machine has no {name}.")
    return found


@pytest.mark.parametrize("below", ["avx512_vnni", "avx512_bf16"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_int8_without_tiles_is_that_of_tiles_to_the_bit(below: str, dtype: torch.dtype) -> None:
    tiles, registers = level_number("amx"), level_number(below)
    for rows, (width, out) in zip((1, 15, 43, 100, 301, 29), (*SHAPES, (3000, 70)), strict=True):
        given, weight, bias = factors(rows, width, out, dtype)
        given[0, 0] = torch.nan
        given[1::2] -= 2.0  # most steps below zero
        for activation in ACTIVATIONS:
            wanted, found = (
                linear_at(each, weight, bias, quantization="int8")(given, activation=activation)
                for each in (tiles, registers)
            )
            assert wanted[0].isnan().all()
            assert torch.equal(found.isnan(), wanted.isnan())
            assert torch.equal(found.nan_to_num(), wanted.nan_to_num())


@pytest.mark.parametrize("quantization", [None, "int8"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_what_is_no_number_stays_in_its_row(prepare: Prepare, dtype: torch.dtype, quantization: Any) -> None:
    for width, out in ((384, 96), (130, 129), (2080, 64)):
        given, weight, bias = factors(60, width, out, dtype)
        product = prepare(weight, bias, quantization=quantization)
        wanted = product(given)
        spoiled = [0, 13, 14, 31, 59]
        for row, value in zip(spoiled, (torch.nan, torch.inf, -torch.inf, torch.nan, torch.inf), strict=True):
            given[row, row] = value
        found = product(given)
        clean = [row for row in range(60) if row not in spoiled]
        assert torch.equal(found[clean], wanted[clean])
        if is_compiled(prepare, dtype, quantization):
            assert not found[spoiled].isfinite().any()


@pytest.mark.parametrize("quantization", [None, "int8"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_row_gives_the_same_alone_and_among_many(prepare: Prepare, dtype: torch.dtype, quantization: Any) -> None:
    given, weight, bias = factors(613, 1700, 70, dtype)
    product = prepare(weight, bias, quantization=quantization)
    found = product(given)
    for first, last in ((0, 1), (200, 213), (13, 60), (300, 613)):
        part = product(given[first:last])
        exact_bits = last - first > 42 or dtype == torch.bfloat16 or quantization or instructions(prepare) < AMX
        if is_compiled(prepare, dtype, quantization) and exact_bits:
            assert torch.equal(part, found[first:last])
        else:
            assert torch.allclose(part, found[first:last], rtol=0.02, atol=1e-5 if dtype == torch.float32 else 0.02)


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """A function that sets the level, with this backend asked for by name."""
    monkeypatch.setenv("CENOTE_KERNELS", "linear:native")

    def set_level(name: str) -> None:
        level_number(name)
        monkeypatch.setenv("CENOTE_CPU_KERNELS_LEVEL", name)
        level.cache_clear()

    yield set_level
    level.cache_clear()


@pytest.mark.parametrize(
    ("highest", "needed", "dtype", "quantization"),
    [
        ("avx2", "avx512", torch.float32, None),
        ("avx512", "avx512_vnni", torch.float32, "int8"),
        ("avx512_vnni", "avx512_bf16", torch.bfloat16, None),
    ],
)
def test_a_product_that_is_asked_for_is_taken_or_refused(
    asked_for: Callable[[str], None], highest: str, needed: str, dtype: torch.dtype, quantization: Any
) -> None:
    _, weight, bias = factors(1, 256, 128, dtype)
    asked_for(highest)
    with pytest.raises(MissingDependency, match=f"need {needed}; this machine offers {highest}"):
        prepare_linear(weight, bias, quantization=quantization)
    asked_for(needed)
    assert hasattr(prepare_linear(weight, bias, quantization=quantization), "packed")
    if highest != "avx2":  # small ones are the core's all the same
        asked_for(highest)
        assert not hasattr(prepare_linear(weight[:9], bias[:9], quantization=quantization), "packed")


def test_what_a_level_lacks_is_the_core_s_where_nobody_asks(
    asked_for: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_for("avx512")
    monkeypatch.delenv("CENOTE_KERNELS")
    given, weight, bias = factors(5, 256, 128, torch.bfloat16)
    product = prepare_linear(weight, bias)
    assert not hasattr(product, "packed")
    assert_near(product(given), exact(given, weight, bias))


#: The main thread ends while one long product runs; a daemon thread that ends inside torch itself may abort.
_EXIT = """
import threading, time, torch
from cenote_cpu_kernels.linear import prepare_linear
torch.set_num_threads(1)
product, rows = prepare_linear(torch.ones(2048, 2048), None), torch.ones(1, 2048).expand(16384, -1)
began = threading.Event()
def loop():
    began.set()
    while True:
        product(rows)
threading.Thread(target=loop, daemon=True).start()
began.wait()
time.sleep(0.2)
"""


def test_a_thread_may_compute_while_the_interpreter_ends() -> None:
    ended = subprocess.run([sys.executable, "-c", _EXIT], capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_memory_is_given_back(prepare: Prepare) -> None:
    def resident() -> int:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    _, weight, bias = factors(1, 1024, 2048, torch.float32)
    prepare(weight, bias)
    gc.collect()
    before = resident()
    for _ in range(20):  # 8 to 12 MB each
        prepare(weight, bias)
    gc.collect()
    assert resident() - before < 60 << 20
