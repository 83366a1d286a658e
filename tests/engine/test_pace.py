"""How much work a short step may have: learnt from steps, with a clock that the test moves."""

from __future__ import annotations

import pytest

from cenote.engine.pace import Pace


class _Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_short_step_has_what_was_computed_in_25_milliseconds() -> None:
    pace = Pace()
    pace.note_step(2000, 0.1)
    assert pace.short_step == pytest.approx(500)


def test_a_faster_step_counts_at_once_and_a_slower_large_one_by_and_by() -> None:
    pace = Pace()
    pace.note_step(1000, 0.1)
    pace.note_step(2000, 0.1)
    assert pace.short_step == pytest.approx(500)
    pace.note_step(1000, 0.1)
    assert pace.short_step == pytest.approx(437.5)


def test_a_small_step_does_not_make_a_model_seem_slow() -> None:
    pace = Pace()
    pace.note_step(2000, 0.1)
    pace.note_step(12, 0.005)
    assert pace.short_step == pytest.approx(500)


def test_a_small_step_that_takes_long_shows_that_a_model_is_slow() -> None:
    pace = Pace()
    pace.note_step(10, 0.5)
    assert pace.short_step == pytest.approx(0.5)


def test_before_anything_was_measured_a_short_step_is_a_few_texts() -> None:
    pace = Pace()
    first = pace.short_step
    pace.note_step(5, 0.001)
    assert pace.short_step == first > 100


def test_steps_stay_short_for_a_while_after_a_short_request() -> None:
    clock = _Clock()
    pace = Pace(clock)
    assert not pace.is_hurried
    pace.note_short()
    assert pace.is_hurried
    clock.now += 60
    assert not pace.is_hurried
