"""The head in windows of rows: the same weights, whatever the window."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from cenote_splade.settings import SpladeSettings
from cenote_splade.terms import TermPooling

_SIZE = 7
_LENGTHS = [3, 1, 9, 0, 4, 2]


class _Head:
    """Rows as they are, counted."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def __call__(self, hidden: Tensor, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        self.rows.append(hidden.shape[1])
        return hidden.clone()


def _terms(logits: int, **settings: Any) -> tuple[TermPooling, _Head]:
    head: Any = _Head()
    return TermPooling(head=head, size=_SIZE, settings=SpladeSettings(**settings), logits=logits), head


@pytest.mark.parametrize("strategy", ["max", "sum"])
@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("window", [1, 2, 3, 5, 19, 100])
def test_windows_do_not_matter(window: int, twice: bool, strategy: str) -> None:
    rows = torch.randn(sum(_LENGTHS), _SIZE, generator=torch.Generator().manual_seed(5)) * 4
    terms, head = _terms(window * _SIZE, strategy=strategy, twice=twice)
    found = list(terms(rows, _LENGTHS))
    weights = rows.relu().log1p().log1p() if twice else rows.relu().log1p()
    for vector, part in zip(found, weights.split(_LENGTHS), strict=True):
        expected = part.sum(0) if strategy == "sum" or not len(part) else part.amax(0)
        torch.testing.assert_close(vector, expected)
    assert max(head.rows) <= window
    assert sum(head.rows) == sum(_LENGTHS)


def test_a_row_that_is_larger_than_the_window_is_computed_whole() -> None:
    terms, head = _terms(3)
    assert len(list(terms(torch.ones(4, _SIZE), [4]))) == 1
    assert head.rows == [1, 1, 1, 1]


def test_only_the_largest_weights_are_kept() -> None:
    terms, _ = _terms(100, most_terms=2)
    (found,) = terms(torch.tensor([[1.0, 5.0, 0.0, -1.0, 4.0, 2.0, 3.0]]), [1])
    assert found.nonzero().flatten().tolist() == [1, 4]


def test_sequences_without_rows_have_no_terms() -> None:
    terms, head = _terms(100)
    assert [vector.tolist() for vector in terms(torch.zeros(0, _SIZE), [0, 0])] == [[0.0] * _SIZE] * 2
    assert head.rows == []


def test_logits_are_computed_as_they_are_needed() -> None:
    terms, head = _terms(2 * _SIZE)
    results = terms(torch.ones(8, _SIZE), [2, 2, 4])
    next(results)
    assert head.rows == [2]
