"""What the engine tells of its batches."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from cenote.config import EngineConfig
from cenote.engine import Engine
from cenote.engine.observer import CallClock
from cenote.engine.request import RequestOptions
from cenote.hooks import BatchDone, hookimpl
from cenote.types import PreparedInput

OPTIONS = RequestOptions(task="embed")


class Notes:
    """A listener that keeps all reports."""

    def __init__(self) -> None:
        self.reports: list[BatchDone] = []

    @hookimpl
    def cenote_batch_done(self, event: BatchDone) -> None:
        self.reports.append(event)


def test_listeners_hear_of_every_batch_as_long_as_somebody_holds_them(model: Any) -> None:
    engine = Engine(model, EngineConfig(max_num_batched_tokens=4), "cpu", name="m")
    notes, seen = Notes(), []
    engine.hooks.register(notes, "notes")
    engine.submit([PreparedInput(token_ids=(1, 2)), PreparedInput(token_ids=(3,))], OPTIONS)
    assert engine.step()
    (report,) = notes.reports
    assert (report.model, report.requests, report.tokens, report.budget) == ("m", 2, 3, 4)
    assert report.seconds > 0
    assert engine.stats().busy_seconds == report.seconds
    seen = notes.reports
    del notes
    gc.collect()
    engine.submit([PreparedInput(token_ids=(1,))], OPTIONS)
    assert engine.step()
    assert len(seen) == 1
    engine.shutdown()


def test_a_listener_that_raises_is_logged_and_costs_no_result(model: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        @hookimpl
        def cenote_batch_done(self, event: BatchDone) -> None:
            raise RuntimeError("broken listener")

    engine, broken = Engine(model, EngineConfig(), "cpu"), Broken()
    engine.hooks.register(broken, "broken")
    (request,) = engine.submit([PreparedInput(token_ids=(7,))], OPTIONS)
    assert engine.step()
    assert request.future.result(timeout=0)["embed"][0].item() == 7
    assert "broken listener" in caplog.text
    engine.shutdown()


def test_a_clock_tells_the_stages_of_a_call_of_several_batches(model: Any) -> None:
    engine = Engine(model, EngineConfig(max_num_seqs=1), "cpu")
    clock = CallClock()
    engine.submit([PreparedInput(token_ids=(1,)), PreparedInput(token_ids=(2,))], OPTIONS, clock=clock)
    assert engine.step()
    first = (clock.started, clock.ended)
    assert engine.step()
    assert clock.started == first[0]
    assert clock.ended > first[1]
    assert clock.computing == clock.ended - clock.started
    engine.shutdown()
