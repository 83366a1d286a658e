"""Pauses between layers: where they are, what runs in them, and which models allow them."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import c_int32

import pytest

from cenote.adapters.pauses import Pauses, is_reentrant, reentrant, with_pauses
from cenote.adapters.text import TextPoolingModel
from cenote.kernels.interrupt import Interrupt


class Layers:
    """Counts layers, and looks at the interrupt behind each but the last."""

    def __init__(self, count: int, before: Callable[[int], None] = lambda layer: None) -> None:
        self.count, self.before = count, before
        self.calls: list[tuple[int, int]] = []

    def __call__(self, first: int, interrupt: Interrupt | None) -> int:
        for layer in range(first, self.count):
            self.before(layer)
            if interrupt is not None and interrupt.is_due(layer + 1 - first):
                break
        self.calls.append((first, layer + 1))
        return layer + 1

    def run(self) -> list[tuple[int, int]]:
        with_pauses(self.count, self)
        return self.calls


def test_layers_are_run_at_once_where_nobody_may_pause() -> None:
    assert Layers(6).run() == [(0, 6)]


def test_layers_are_run_at_once_where_nobody_waits() -> None:
    with Pauses(c_int32(0), pytest.fail).allowed():
        assert Layers(6).run() == [(0, 6)]


def test_who_begins_to_wait_waits_for_one_layer() -> None:
    flag = c_int32(0)
    served: list[int] = []

    def serve() -> None:
        served.append(1)
        flag.value = 0

    def before(layer: int) -> None:
        flag.value |= layer in (1, 4)

    pauses = Pauses(flag, serve)
    with pauses.allowed():
        assert Layers(6, before).run() == [(0, 2), (2, 5), (5, 6)]
    assert len(served) == 2
    assert Layers(6, before).run() == [(0, 6)]


def test_layers_run_for_as_long_as_the_pause_before_them() -> None:
    now = [0.0]

    def spend(seconds: float) -> None:
        now[0] += seconds

    pauses = Pauses(c_int32(1), lambda: spend(0.25), lambda: now[0])
    with pauses.allowed():
        assert Layers(12, lambda layer: spend(0.0625)).run() == [(0, 1), (1, 5), (5, 9), (9, 12)]
    assert pauses.seconds == 0.75
    assert pauses.parts(0.75) == 12


@pytest.mark.parametrize(("beside", "parts"), [(0, 4), (25, 4.25), (400, 2), (40_000, 1.01)])
def test_a_batch_has_as_many_parts_as_what_nothing_interrupts_fits_into_it(beside: int, parts: float) -> None:
    now = [0]

    def spend(layer: int) -> None:
        now[0] += 100

    pauses = Pauses(c_int32(0), pytest.fail, lambda: now[0])
    assert pauses.parts(1.0) == 1
    with pauses.allowed():
        Layers(4, spend).run()
    assert pauses.parts(400 + beside) == pytest.approx(parts)


def test_what_runs_in_a_pause_is_not_interrupted() -> None:
    inner: list[list[tuple[int, int]]] = []
    pauses = Pauses(c_int32(1), lambda: inner.append(Layers(4).run()))
    with pauses.allowed():
        assert Layers(2).run() == [(0, 1), (1, 2)]
        assert Layers(1).run() == [(0, 1)]
    assert inner == [[(0, 4)]]


def test_an_error_in_a_pause_is_raised_and_leaves_nothing_behind() -> None:
    def fail() -> None:
        raise ValueError("in a pause")

    pauses = Pauses(c_int32(1), fail)
    with pauses.allowed():
        with pytest.raises(ValueError, match="in a pause"):
            Layers(2).run()
        with pytest.raises(ValueError, match="in a pause"):  # they are allowed again
            Layers(2).run()
    assert Layers(2).run() == [(0, 2)]


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
