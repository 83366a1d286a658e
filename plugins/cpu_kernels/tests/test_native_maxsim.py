"""Compiled MaxSim equals the reference with every set of instructions that the machine has."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from cenote.errors import InvalidRequest
from cenote.kernels.maxsim import reference as maxsim_reference
from cenote.testing.kernels import TOLERANCES, KernelConformance
from cenote_cpu_kernels.library import LEVELS, level, library
from cenote_cpu_kernels.maxsim import maxsim

#: Names of the levels that this machine has.
USABLE = LEVELS[1 : library().cenote_level() + 1]
FLOAT32, BFLOAT16 = torch.float32, torch.bfloat16


@pytest.fixture(params=USABLE, autouse=True)
def at_level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Let the kernels use no more than a level."""
    monkeypatch.setenv("CENOTE_CPU_KERNELS_LEVEL", request.param)
    level.cache_clear()
    yield request.param
    monkeypatch.undo()
    level.cache_clear()


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


class TestNativeMaxsim(KernelConformance):
    operator = "maxsim"
    backend = "native"
    tolerances: ClassVar[Mapping[str, float]] = {**TOLERANCES, "int8": 1e-6}


def same(found: Tensor, wanted: Tensor, share: float) -> None:
    """Compare, with a tolerance that is a share of the largest number; NaN must be where it is in the other."""
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
    assert torch.equal(found.isnan(), wanted.isnan())
    largest = wanted.float().nan_to_num().abs().amax() if wanted.numel() else 0.0
    torch.testing.assert_close(found, wanted, rtol=0.0, atol=float(1 + largest) * share, equal_nan=True)


def drawn(seed: int, *shape: int, dtype: torch.dtype = FLOAT32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


TYPES = [
    (FLOAT32, FLOAT32),
    (FLOAT32, torch.float16),
    (FLOAT32, BFLOAT16),
    (BFLOAT16, BFLOAT16),
    (torch.int8, torch.int8),
    (FLOAT32, torch.int8),
    (torch.float64, FLOAT32),
    (FLOAT32, torch.float64),
]


def vectors(seed: int, count: int, width: int, dtype: torch.dtype) -> Tensor:
    """Draw vectors of length 1, or 127 where they are whole numbers."""
    found = torch.nn.functional.normalize(drawn(seed, count, width), dim=1)
    return (found * 127).round().to(dtype) if dtype == torch.int8 else found.to(dtype)


@pytest.mark.parametrize(("of_query", "of_documents"), TYPES, ids=lambda each: str(each).removeprefix("torch."))
def test_documents_of_every_length_and_width(of_query: torch.dtype, of_documents: torch.dtype) -> None:
    draw = random.Random(7)
    for seed in range(24):
        width, count = draw.choice((1, 7, 16, 33, 64, 96, 128, 200)), draw.choice((1, 8, 9, 17, 32, 33, 70))
        lengths = [draw.choice((1, 5, 12, 13, 31, 32, 33, 49, 180)) for _ in range(draw.choice((1, 2, 9)))]
        query, documents = vectors(seed, count, width, of_query), vectors(seed + 1, sum(lengths), width, of_documents)
        queries = None if seed % 2 else [1] * (count > 1) + [max(count - 1, 1)]
        wanted = maxsim_reference.maxsim(query, documents, lengths=lengths, queries=queries)
        wider = torch.cat([documents, documents], dim=1)[:, :width]
        apart = [part.clone() for part in documents.split(lengths)]
        for given in (documents, wider, apart):
            same(maxsim(query, given, lengths=lengths, queries=queries), wanted, 1e-6 * count**0.5)


def test_nan_and_infinity_in_a_document_reach_its_score_and_no_other() -> None:
    query, documents = drawn(0, 5, 32), drawn(1, 50, 32)
    documents[20, 3], documents[44, 3] = torch.nan, torch.inf
    for dtype in (FLOAT32, BFLOAT16):
        arguments = (query.to(dtype), documents.to(dtype))
        found = maxsim(*arguments, lengths=[10, 20, 10, 10])
        assert found.isfinite().tolist() == [True, False, True, False]
        same(found[::2], maxsim_reference.maxsim(*arguments, lengths=[10, 20, 10, 10])[::2], 1e-6)


def test_a_document_without_vectors_is_refused_and_no_documents_have_no_scores() -> None:
    with pytest.raises(InvalidRequest, match="Document 1 has 0 vectors"):
        maxsim(drawn(0, 2, 4), drawn(1, 3, 4), lengths=[3, 0])
    assert maxsim(drawn(0, 2, 4), [], lengths=[]).shape == (0,)


def test_two_threads_give_what_one_gives(two_threads: None) -> None:
    lengths = [33, 64, 1, 180, 5] * 9
    for dtype in (FLOAT32, BFLOAT16, torch.int8):
        query, documents = vectors(0, 32, 128, dtype), vectors(1, sum(lengths), 128, dtype)
        torch.set_num_threads(2)
        by_two = maxsim(query, documents, lengths=lengths)
        torch.set_num_threads(1)
        assert torch.equal(maxsim(query, documents, lengths=lengths), by_two)
