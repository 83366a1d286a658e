"""Merging the weights of equal ids, and what a backend of a plugin may return."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cenote.errors import WrongResult
from cenote.kernels import get_kernel
from cenote.kernels.term_max import cpu, reference
from cenote.registry import default_registry

_IDS = torch.tensor([7, 3, 7, 7, 9, 3, 3])
_LENGTHS = (3, 0, 4)


@pytest.mark.parametrize("backend", [reference, cpu])
def test_each_id_of_a_sequence_is_given_once_with_its_largest_weight(backend: Any) -> None:
    weights = torch.tensor([0.5, 1.0, 2.0, -1.0, 0.25, -3.0, -2.0])
    terms, largest, counts = backend.term_max(weights, _IDS, lengths=_LENGTHS)
    assert (terms.tolist(), counts.tolist()) == ([3, 7, 3, 7, 9], [2, 0, 3])
    assert largest.tolist() == [1.0, 2.0, -2.0, -1.0, 0.25]


@pytest.mark.parametrize("backend", [reference, cpu])
def test_what_is_no_number_is_not_lost(backend: Any) -> None:
    weights = torch.tensor([0.5, 1.0, torch.nan, -1.0, 0.25, -3.0, torch.inf])
    _, largest, _ = backend.term_max(weights, _IDS, lengths=_LENGTHS)
    assert largest.isnan().tolist() == [False, True, False, False, False]
    assert largest[2] == torch.inf


class _Largest(TorchDispatchMode):
    """Sees how many numbers each tensor has that is computed."""

    numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        parts = result if isinstance(result, tuple | list) else (result,)
        self.numbers = max([self.numbers, *(part.numel() for part in parts if isinstance(part, torch.Tensor))])
        return result


@pytest.mark.parametrize("backend", [reference, cpu])
def test_memory_does_not_depend_on_the_size_of_ids(backend: Any) -> None:
    with _Largest() as seen:
        backend.term_max(torch.ones(7), _IDS * 10**12, lengths=_LENGTHS)
    assert 0 < seen.numbers <= 8


@pytest.mark.parametrize(
    "returned",
    [
        torch.ones(2),
        (torch.ones(2), torch.ones(2)),
        (torch.ones(2), torch.ones(3), torch.ones(2)),
        (torch.ones(2), torch.ones(2), torch.ones(1)),
        ([1], [1.0], [1, 0]),
    ],
)
def test_a_backend_that_returns_something_else_is_named(returned: Any) -> None:
    def acme(weights: Any, ids: Any, *, lengths: Any) -> Any:
        return returned

    acme.devices, acme.priority = ("cpu",), 99  # type: ignore[attr-defined]
    undo = default_registry().register("cenote.kernels", "term_max:acme", acme, distribution="acme", version="1.2")
    try:
        with pytest.raises(WrongResult, match=r"acme.*tuple \[terms\], \[terms\], \[2\]"):
            get_kernel("term_max")(torch.ones(2), torch.tensor([1, 2]), lengths=(1, 1))
    finally:
        undo()
