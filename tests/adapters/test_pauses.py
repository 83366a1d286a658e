"""Pauses between layers: where they are, what runs in them, and which models allow them."""

from __future__ import annotations

import threading

import pytest

from cenote.adapters.pauses import Pauses, is_reentrant, pieces, reentrant
from cenote.adapters.text import TextPoolingModel


def test_layers_are_run_at_once_where_nobody_pauses() -> None:
    assert list(pieces(6)) == [(0, 6)]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (0, [(0, 5)]),
        (1, [(0, 5)]),
        (2, [(0, 2), (2, 5)]),
        (5, [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]),
        (99, [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]),
    ],
)
def test_pauses_are_between_pieces_of_about_one_size(wanted: int, expected: list[tuple[int, int]]) -> None:
    seen: list[int] = []
    pauses = Pauses(wanted, lambda: seen.append(len(found)))
    found: list[tuple[int, int]] = []
    with pauses.allowed():
        for piece in pieces(5):
            found.append(piece)
    assert found == expected
    assert seen == list(range(1, len(expected)))
    assert list(pieces(5)) == [(0, 5)]


def test_what_runs_in_a_pause_is_not_interrupted_and_its_time_is_counted() -> None:
    inner: list[list[tuple[int, int]]] = []
    event = threading.Event()

    def run() -> None:
        inner.append(list(pieces(4)))
        event.wait(0.02)

    pauses = Pauses(3, run)
    with pauses.allowed():
        assert list(pieces(3)) == [(0, 1), (1, 2), (2, 3)]
        assert list(pieces(1)) == [(0, 1)]
    assert inner == [[(0, 4)]] * 2
    assert pauses.seconds >= 0.04


def test_an_error_in_a_pause_is_raised_and_leaves_nothing_behind() -> None:
    def fail() -> None:
        raise ValueError("in a pause")

    pauses = Pauses(2, fail)
    with pauses.allowed():
        with pytest.raises(ValueError, match="in a pause"):
            list(pieces(2))
        with pytest.raises(ValueError, match="in a pause"):  # they are allowed again
            list(pieces(2))
    assert list(pieces(2)) == [(0, 2)]


def test_a_class_that_overrides_forward_must_allow_pauses_itself() -> None:
    class Marked:
        @reentrant
        def forward(self) -> None: ...

    class Silent(Marked):
        def forward(self) -> None: ...

    assert is_reentrant(Marked())
    assert not is_reentrant(Silent())
    assert not is_reentrant(object())
    assert TextPoolingModel.forward.is_reentrant  # type: ignore[attr-defined]
