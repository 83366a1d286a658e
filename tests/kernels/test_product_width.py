"""Products of a plugin whose results have another width than the weight."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from cenote.errors import WrongResult
from cenote.kernels import get_kernel
from cenote.kernels.linear import reference
from cenote.registry import default_registry

TEXT = "The kernel 'linear:narrow' of acme 1.2 returned shape [5, 7], not [5, 8]."


def narrow(weight: torch.Tensor, bias: torch.Tensor | None, **options: Any) -> Any:
    product = reference.prepare_linear(weight, bias, **options)
    return lambda rows, **step: product(rows, **step)[..., :-1]


@pytest.fixture
def forced(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    undo = default_registry().register("cenote.kernels", "linear:narrow", narrow, distribution="acme", version="1.2")
    monkeypatch.setenv("CENOTE_KERNELS", "linear:narrow")
    yield
    undo()


@pytest.mark.parametrize("by_name", [False, True])
def test_a_product_of_another_width_than_its_weight_names_the_plugin(by_name: bool, forced: None) -> None:
    weight: Any = torch.ones(8, 3)
    prepare = get_kernel("linear")
    product = prepare(weight=weight, bias=None) if by_name else prepare(weight, None)
    with pytest.raises(WrongResult) as caught:
        product(torch.ones(5, 3))
    assert str(caught.value) == TEXT
    assert caught.value.distribution == "acme"
