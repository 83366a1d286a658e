"""Run by test_triton.py: strides and types of MaxSim, and numbers that are none."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cenote.kernels.maxsim import reference, triton

LENGTHS = [64, 1, 66, 4]
QUERY, DOCUMENTS = (torch.randn(count, 70, generator=torch.Generator().manual_seed(count)) for count in (5, 270))
WHOLE = [torch.randint(-128, 128, tensor.shape, dtype=torch.int8) for tensor in (QUERY, DOCUMENTS)]
WHOLE[0][:2], WHOLE[1][:3] = -128, -128


@pytest.mark.parametrize(
    ("query", "documents", "tolerance"),
    [
        (QUERY, DOCUMENTS[::2], 1e-3),
        (QUERY[:, ::2], DOCUMENTS[:135, ::2], 1e-3),
        (QUERY.T.contiguous().T, DOCUMENTS[:1].expand(135, -1), 1e-3),
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


@pytest.mark.parametrize("place", [0, 64, 129, 134])
def test_nan_stays_in_its_document(place: int) -> None:
    documents = DOCUMENTS[:135].clone()
    documents[place, 3] = float("nan")
    found = triton.maxsim(QUERY, documents, lengths=LENGTHS)
    assert torch.equal(found.isnan(), reference.maxsim(QUERY, documents, lengths=LENGTHS).isnan())
    assert int(found.isnan().sum()) == 1


def test_nan_of_the_query_is_in_every_score() -> None:
    query = QUERY.clone()
    query[1, 1] = float("nan")
    assert triton.maxsim(query, DOCUMENTS[:135], lengths=LENGTHS).isnan().all()
