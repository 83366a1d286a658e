"""Results of plugins' kernels whose numbers are of another kind than the operator states."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from cenote.errors import WrongResult
from cenote.kernels import OPERATORS, get_kernel
from cenote.kernels.faults import joined_fault
from cenote.registry import default_registry
from cenote.testing.kernel_cases import CASES
from cenote.testing.kernels import one_step

FLOAT32, BFLOAT16 = torch.float32, torch.bfloat16
#: What to say of each operator whose inputs are bfloat16 and whose (first) result is float64.
SAID = {
    "varlen_attention": "float64 numbers, not bfloat16",
    "linear": "float64 numbers, not bfloat16",
    "residual_norm": "float64 numbers, not float32",  # which the case asks for
    "bias_act": "float64 numbers, not bfloat16",
    "rotary": "float64 numbers, not bfloat16",
    "segment_pool": "float64 numbers, not float32",
    "l2_normalize": "float64 numbers, not float32",
    "maxsim": "float64 numbers, not float32",
    "term_max": "float64, float32, int64 numbers, not int64, float32, int64",
}


def _widened(operator: str) -> Any:
    """Return the reference, with a first result of float64."""
    reference = default_registry().get("cenote.kernels", f"{operator}:reference")

    def call(*args: Any, **kwargs: Any) -> Any:
        result = reference(*args, **kwargs)
        if isinstance(result, tuple):
            return result[0].double(), *result[1:]
        return result.double() if isinstance(result, Tensor) else lambda *rows, **more: result(*rows, **more).double()

    return call


@pytest.fixture(params=OPERATORS)
def operator(request: pytest.FixtureRequest) -> Iterator[str]:
    """An operator with a backend `same`, which is the reference, and one `wide`, both of a plugin."""
    registry, name = default_registry(), request.param
    kernels = {"same": registry.get("cenote.kernels", f"{name}:reference"), "wide": _widened(name)}
    undo = [
        registry.register("cenote.kernels", f"{name}:{key}", each, distribution="acme", version="1.2")
        for key, each in kernels.items()
    ]
    yield name
    for each in undo:
        each()


def _call(operator: str, backend: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch, place: int) -> Any:
    tensors, options = CASES[operator][place].inputs(dtype, "cpu")
    monkeypatch.setenv("CENOTE_KERNELS", f"{operator}:{backend}")
    return one_step(operator, get_kernel(operator))(**tensors, **options)


@pytest.mark.parametrize("dtype", [FLOAT32, BFLOAT16, torch.float16], ids=str)
def test_the_dtypes_that_are_asked_for_are_those_of_the_reference(
    operator: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in range(len(CASES[operator])):
        _call(operator, "same", dtype, monkeypatch, place)


def test_another_dtype_is_an_error_that_names_the_plugin(operator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WrongResult) as caught:
        _call(operator, "wide", BFLOAT16, monkeypatch, 0)
    assert str(caught.value) == f"The kernel '{operator}:wide' of acme 1.2 returned {SAID[operator]}."
    assert caught.value.distribution == "acme"


def test_joined_layers_give_normed_values_as_they_came_and_a_stream_of_float32() -> None:
    fault, rows = joined_fault(2), torch.ones(3, 4)
    given: dict[str, Any] = {"normed": rows.bfloat16(), "stream": rows, "interrupt": object()}
    assert not fault((rows.bfloat16(), rows, 1), (), given)
    assert fault((rows, rows, 1), (), given) == "float32 numbers, not bfloat16"
    assert fault((rows.bfloat16(), rows.bfloat16(), 1), (), given) == "bfloat16 numbers, not float32"
    assert not fault((rows, rows, 2), (), given)  # nothing takes them
    assert fault((rows, rows.double(), 2), (), given) == "float64 numbers, not float32"
