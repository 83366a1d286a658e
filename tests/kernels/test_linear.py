"""What the core's products refuse, and products of no row."""

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
