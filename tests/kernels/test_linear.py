"""What the core's products refuse, products of no row, and how rows become int8."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from cenote.errors import ShapeError
from cenote.kernels.linear import cpu, reference


@pytest.fixture(params=[reference.prepare_linear, cpu.prepare_linear], ids=["reference", "cpu"])
def prepare(request: pytest.FixtureRequest) -> Callable[..., reference.Product]:
    return request.param  # type: ignore[no-any-return]


@pytest.mark.parametrize("quantization", [None, "int8"])
@pytest.mark.parametrize("shape", [(0, 160), (2, 0, 160)], ids=str)
def test_no_row_gives_no_row(
    prepare: Callable[..., reference.Product], quantization: Any, shape: tuple[int, ...]
) -> None:
    product = prepare(torch.ones(128, 160), torch.ones(128), quantization=quantization)
    assert product(torch.ones(shape), activation="relu").shape == (*shape[:-1], 128)


@pytest.mark.parametrize(("name", "value"), [("precision", "medium"), ("quantization", "int4")])
def test_names_of_nothing_are_refused(prepare: Callable[..., reference.Product], name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be one of .* not '{value}'"):
        prepare(torch.ones(128, 160), None, **{name: value})


@pytest.mark.parametrize("shape", [(64,), (1,), (128, 1)], ids=str)
def test_a_bias_of_another_shape_is_refused(prepare: Callable[..., reference.Product], shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"The bias of a weight of \[128, 160\]"):
        prepare(torch.ones(128, 160), torch.ones(shape))


def test_a_weight_that_is_no_matrix_is_refused(prepare: Callable[..., reference.Product]) -> None:
    with pytest.raises(ShapeError, match=r"A weight is \[out, in\]; this one is \[4, 64, 160\]"):
        prepare(torch.ones(4, 64, 160), None)


@pytest.mark.parametrize("shift", [-50.0, -1.0, 0.0, 1.0, 50.0])
def test_rows_as_int8_are_half_a_step_away_at_most_and_zero_is_exact(shift: float) -> None:
    rows = torch.randn(40, 96, generator=torch.Generator().manual_seed(1)) + shift
    rows[:, 5] = 0.0
    steps, sizes, zeros = reference.quantize_rows(rows)
    back = sizes * (steps.float() - zeros)
    ends = (steps == -128) | (steps == 127)  # one of a row's ends may lie a half step beyond the last one
    assert ((back - rows).abs() <= torch.where(ends, 1.01, 0.51) * sizes).all()
    assert (back[:, 5] == 0).all()
    extent = rows.amax(1).clamp_min(0) - rows.amin(1).clamp_max(0)
    assert torch.allclose(sizes[:, 0], extent / 255, rtol=1e-5)


@pytest.mark.parametrize("value", [0.0, 1e-39, -1e-39])
def test_rows_too_small_for_a_step_are_zeros(prepare: Callable[..., reference.Product], value: float) -> None:
    product = prepare(torch.ones(128, 160), torch.arange(128.0), quantization="int8")
    assert torch.equal(product(torch.full((3, 160), value)), torch.arange(128.0).expand(3, -1))


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), float("-inf")], ids=str)
def test_a_number_that_is_none_spoils_its_row_alone(prepare: Callable[..., reference.Product], odd: float) -> None:
    rows = torch.randn(3, 160, generator=torch.Generator().manual_seed(1))
    rows[1, 7] = odd
    found = prepare(torch.ones(128, 160), None, quantization="int8")(rows)
    assert torch.equal(found.isnan().all(1), torch.tensor([False, True, False]))
    assert torch.isfinite(found[::2]).all()


@pytest.mark.parametrize("size", [1, 2, 3, 64])
@pytest.mark.parametrize("count", [1, 2, 17, 40])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_int8_is_exact_whatever_the_sizes_and_strides(
    prepare: Callable[..., reference.Product], size: int, count: int, dtype: torch.dtype
) -> None:
    """Whole numbers from -128 to 127, with both ends in each row, are steps of their own: nothing is rounded."""
    generator = torch.Generator().manual_seed(size)
    rows = torch.randint(-128, 128, (count, size), generator=generator)
    weight = torch.randint(-127, 128, (24, size), generator=generator)
    rows[:, 0], weight[:, 0] = -255, 127
    if size > 1:
        rows[:, 0], rows[:, -1] = -128, 127
    exact = rows.double() @ weight.double().t()
    layouts = (
        lambda each: each,
        lambda each: each.t().contiguous().t(),
        lambda each: torch.cat((each, each), dim=1)[:, : each.shape[1]],
        lambda each: torch.stack((each, each), dim=-1).flatten(1)[:, ::2],
    )
    for lay_weight in layouts:
        product = prepare(lay_weight(weight.to(dtype)), None, quantization="int8")
        for lay_rows in layouts:
            found = product(lay_rows(rows.to(dtype)))
            torch.testing.assert_close(found.double(), exact, rtol=8e-3 if dtype == torch.bfloat16 else 1e-5, atol=1e-2)
