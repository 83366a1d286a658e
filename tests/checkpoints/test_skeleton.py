from typing import Any

import pytest
import torch

from cenote.checkpoints.skeleton import WithoutValues


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((7,), {}),
        ((2, 9), {}),
        ((2, 9, 3), {}),
        ((9, 2, -2), {}),
        ((0, 5, 0.5), {}),
        ((4.5,), {}),
        ((0, 8, 2), {"dtype": torch.float32}),
        ((6,), {"dtype": torch.int32}),
    ],
)
def test_a_range_has_the_shape_and_dtype_that_torch_gives_it(arguments: Any, options: Any) -> None:
    expected = torch.arange(*arguments, **options)
    with WithoutValues(), torch.device("meta"):
        found = torch.arange(*arguments, **options)
    assert (found.shape, found.dtype, found.device.type) == (expected.shape, expected.dtype, "meta")


def test_a_range_that_torch_refuses_is_refused() -> None:
    with WithoutValues(), torch.device("meta"), pytest.raises(RuntimeError):
        torch.arange(0, 5, -1)


def test_tensors_with_values_are_filled_and_others_left_alone() -> None:
    with WithoutValues():
        real, meta = torch.zeros(50, 50), torch.zeros(50, 50, device="meta")
        assert torch.nn.init.normal_(meta) is meta
        assert torch.nn.init.normal_(real).std() > 0.5
        assert torch.nn.init.uniform_(real, 2, 3).min() >= 2
        copy = torch.empty_like(meta.to(torch.int32), device="cpu")
    assert (copy.shape, copy.dtype, copy.device.type) == ((50, 50), torch.int32, "cpu")


def test_the_default_dtype_holds_for_ranges_of_floats() -> None:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with WithoutValues(), torch.device("meta"):
            assert torch.arange(3.0).dtype == torch.bfloat16
    finally:
        torch.set_default_dtype(before)


def test_arithmetic_with_numbers_keeps_shape_and_dtype() -> None:
    real = torch.arange(0, 8, 2, dtype=torch.float32)
    with WithoutValues():
        meta = real.to("meta")
        for expected, found in ((1.0 / (10 ** (real / 8)), 1.0 / (10 ** (meta / 8))), (real * 2, 2 * meta)):
            assert (found.shape, found.dtype, found.is_meta) == (expected.shape, expected.dtype, True)
        assert (torch.ones(3, device="meta", dtype=torch.int32) / 2).dtype == torch.float32
        assert (meta * torch.ones(3, 4, device="meta")).shape == (3, 4)
