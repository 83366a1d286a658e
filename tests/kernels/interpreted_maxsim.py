"""Run by test_maxsim.py in a process of its own, where Triton interprets kernels on the CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from cenote.kernels.maxsim import reference, triton
from cenote.testing.kernel_cases import CASES, KernelCase
from cenote.testing.kernels import TOLERANCES, KernelConformance


class TestTritonMaxsim(KernelConformance):
    operator = "maxsim"
    backend = "triton"
    tolerances: ClassVar[Mapping[str, float]] = {**TOLERANCES, "int8": 1e-6}
    # The interpreter takes a millisecond for a tile.
    cases: ClassVar[Sequence[KernelCase]] = [case for case in CASES["maxsim"] if sum(case.options["lengths"]) < 1000]


LENGTHS = [64, 1, 65, 70]
QUERY, DOCUMENTS = (torch.randn(count, 130, generator=torch.Generator().manual_seed(count)) for count in (5, 400))
WHOLE = [torch.randint(-128, 128, tensor.shape, dtype=torch.int8) for tensor in (QUERY, DOCUMENTS)]
WHOLE[0][:2], WHOLE[1][:3] = -128, -128


@pytest.mark.parametrize(
    ("query", "documents", "tolerance"),
    [
        (QUERY, DOCUMENTS[::2], 1e-3),
        (QUERY[:, ::2], DOCUMENTS[:200, ::2], 1e-3),
        (QUERY.T.contiguous().T, DOCUMENTS[:1].expand(200, -1), 1e-3),
        (WHOLE[0], WHOLE[1][::2], 0),
        (QUERY, WHOLE[1][::2], 1e-1),
        (QUERY.half(), WHOLE[1][::2], 1e-1),
        (QUERY.half(), DOCUMENTS[::2], 1e-3),
        (QUERY.double(), DOCUMENTS[::2].double(), 1e-3),
        (QUERY, DOCUMENTS[::2].double(), 1e-3),
    ],
    ids=["rows", "columns", "broadcast", "int8", "of int8", "half of int8", "half", "float64", "of float64"],
)
def test_strides_and_types_equal_the_reference(query: Tensor, documents: Tensor, tolerance: float) -> None:
    expected = reference.maxsim(query, documents, lengths=LENGTHS)
    found = triton.maxsim(query, documents, lengths=LENGTHS)
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=0)
    apart = documents.split(LENGTHS)  # type: ignore[no-untyped-call]
    assert torch.equal(triton.maxsim(query, apart, lengths=LENGTHS), found)
    several = triton.maxsim(query, documents, lengths=LENGTHS, queries=[2, 3])
    expected = reference.maxsim(query, documents, lengths=LENGTHS, queries=[2, 3])
    torch.testing.assert_close(several, expected, atol=tolerance, rtol=0)


@pytest.mark.parametrize("place", [0, 64, 129, 199])
def test_nan_stays_in_its_document(place: int) -> None:
    documents = DOCUMENTS[:200].clone()
    documents[place, 3] = float("nan")
    found = triton.maxsim(QUERY, documents, lengths=LENGTHS)
    assert torch.equal(found.isnan(), reference.maxsim(QUERY, documents, lengths=LENGTHS).isnan())
    assert int(found.isnan().sum()) == 1


def test_nan_of_the_query_is_in_every_score() -> None:
    query = QUERY.clone()
    query[1, 1] = float("nan")
    assert triton.maxsim(query, DOCUMENTS[:200], lengths=LENGTHS).isnan().all()
