"""Merging the weights of equal ids, and what a backend of a plugin may return."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cenote.errors import ShapeError, WrongResult, WrongType
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


@pytest.mark.parametrize("backend", [reference, cpu])
def test_ids_of_fewer_bits_are_given_as_int64(backend: Any) -> None:
    for lengths in ((3, 0, 4), (7,), (3, 4)):
        terms, _, counts = backend.term_max(torch.ones(7), _IDS.int(), lengths=lengths)
        assert (terms.dtype, counts.dtype) == (torch.int64, torch.int64)


@pytest.mark.parametrize("backend", [reference, cpu])
def test_an_empty_list_of_ids_has_no_kind(backend: Any) -> None:
    terms, largest, counts = backend.term_max(torch.tensor([]), torch.tensor([]), lengths=(0, 0))
    assert (terms.dtype, largest.dtype, counts.tolist()) == (torch.int64, torch.float32, [0, 0])


@pytest.mark.parametrize("backend", [reference, cpu])
@pytest.mark.parametrize(
    ("weights", "ids", "lengths", "error", "message"),
    [
        (7, _IDS, (3, 3), ShapeError, "lengths sum to 6, but there are 7 ids"),
        (7, _IDS, (), ShapeError, "lengths sum to 0, but there are 7 ids"),
        (7, _IDS, (9, -2), ShapeError, "Sequence 1 has -2 ids"),
        (6, _IDS, (3, 4), ShapeError, r"weights are \[6\] and ids \[7\]"),
        (1, _IDS, (3, 4), ShapeError, r"weights are \[1\] and ids \[7\]"),
        (7, _IDS.float(), (3, 4), WrongType, "ids must be whole numbers, .* not torch.float32"),
    ],
)
def test_what_does_not_fit_is_refused(
    backend: Any, weights: int, ids: Any, lengths: tuple[int, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        backend.term_max(torch.ones(weights), ids, lengths=lengths)


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
