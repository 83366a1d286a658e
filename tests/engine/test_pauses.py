"""Light calls run between the layers of a batch that takes long."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from cenote.adapters.pauses import Pauses, is_reentrant, reentrant, with_pauses
from cenote.checkpoints import find_default_model
from cenote.config import EngineConfig
from cenote.engine import AsyncLLM, Engine, batches
from cenote.engine.batches import Batches
from cenote.engine.pace import Pace
from cenote.engine.request import EngineRequest, RequestOptions
from cenote.engine.tally import Tally
from cenote.kernels.interrupt import Interrupt
from cenote.types import PackedBatch, PreparedInput, Prompt

OPTIONS = RequestOptions(task="embed")
LONG = PreparedInput(token_ids=(7,) * 90)


@pytest.fixture
def layered(plain: Any) -> Any:
    """A model of four layers, which calls `before` with the number of each; it allows pauses."""

    class Layered(plain.PlainModel):  # type: ignore[misc, name-defined]
        before: Callable[[int], None] = staticmethod(lambda layer: None)

        def __init__(self) -> None:
            super().__init__()
            self.starts: list[int] = []

        @reentrant
        def forward(self, batch: PackedBatch) -> Tensor:
            if len(batch.input_ids) > 50:
                with_pauses(4, self.run)
            return super().forward(batch)  # type: ignore[no-any-return]

        def run(self, first: int, interrupt: Interrupt | None) -> int:
            self.starts.append(first)
            for layer in range(first, 4):
                self.before(layer)
                if interrupt is not None and interrupt.is_due(layer + 1 - first):
                    break
            return layer + 1

    return Layered()


@pytest.fixture
def engine(layered: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine whose short steps have 20 tokens, and which pauses behind every layer while somebody waits."""
    monkeypatch.setattr(Pace, "short_step", 20.0)
    monkeypatch.setattr(batches, "Pauses", partial(Pauses, clock=lambda: 0.0))
    made = _served(layered)
    yield made
    made.shutdown()


def _served(model: Any) -> Engine:
    engine = Engine(model, EngineConfig(max_num_batched_tokens=100), "cpu")
    engine.when_changed(lambda: None)
    return engine


def _ask(engine: Engine, *ids: int) -> EngineRequest:
    return engine.submit([PreparedInput(token_ids=ids)], OPTIONS)[0]


def test_a_light_call_is_answered_before_the_batch_that_runs(engine: Engine, layered: Any) -> None:
    queries: list[EngineRequest] = []
    seen: list[tuple[int, bool, int]] = []

    def before(layer: int) -> None:
        if layer == 1:
            queries.append(_ask(engine, 3, 5))
        elif layer == 2:
            seen.append((layer, queries[0].future.done(), engine.stats().running))

    layered.before = before
    (long,) = engine.submit([LONG], OPTIONS)
    assert engine.step()
    assert seen == [(2, True, 1)]
    assert queries[0].future.result(0)["embed"].tolist() == [4.0, 1.0]
    assert long.future.result(0)["embed"].tolist() == [7.0, 1.0]
    assert layered.batches == [(2,), (90,)]
    stats = engine.stats()
    assert (stats.running, stats.waiting, stats.requests, stats.forwards) == (0, 0, 2, 2)
    assert not engine.step()


def test_what_waits_outside_of_the_queue_moves_up_behind_a_pause(layered: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pace, "short_step", 20.0)
    engine = Engine(layered, EngineConfig(max_num_queued_tokens=100, max_num_batched_tokens=100), "cpu")
    engine.when_changed(lambda: None)
    large = engine.submit([PreparedInput(token_ids=(7,) * 60), PreparedInput(token_ids=(7,) * 90)], OPTIONS)
    queries = [_ask(engine, *range(1, 41))]
    engine.step()
    queries.append(_ask(engine, *range(1, 41)))
    ready: list[bool] = []
    layered.before = lambda layer: ready.append(engine.is_ready)
    engine.step()  # the first text of the large call, behind one of whose layers the query makes room for the second
    assert ready == [True] * 4
    assert [request.future.done() for request in (*queries, *large)] == [True, True, True, False]
    engine.step()
    assert large[1].future.result(0)["embed"].tolist() == [7.0, 1.0]
    engine.shutdown()


@pytest.mark.parametrize("tokens", [64, 65])
def test_a_query_is_light_however_slow_the_model_is(engine: Engine, tokens: int) -> None:
    _ask(engine, *range(1, tokens + 1))
    assert engine.is_hurried == (tokens == 64)


def test_a_pause_has_a_short_step_of_light_calls(engine: Engine, layered: Any) -> None:
    layered.before = lambda layer: layer or [_ask(engine, *range(1, 16)) for _ in range(6)]
    engine.submit([LONG], OPTIONS)
    engine.step()
    assert layered.batches == [(15,), (15,), (15,), (90,)]


def test_an_engine_that_breaks_in_a_pause_ends_and_the_batch_goes_on(
    engine: Engine, layered: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries: list[EngineRequest] = []
    layered.before = lambda layer: queries or queries.append(_ask(engine, 3))
    monkeypatch.setattr(Tally, "add", _fail_once(Tally.add))
    (long,) = engine.submit([LONG], OPTIONS)
    engine.step()
    assert long.future.result(0)["embed"].tolist() == [7.0, 1.0]
    assert queries[0].future.done()
    assert not engine.is_healthy
    assert engine.stats().running == 0


def _fail_once(function: Callable[..., Any]) -> Callable[..., Any]:
    calls: list[int] = []

    def call(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise MemoryError("no memory")
        return function(*arguments)

    return call


def test_a_light_call_to_another_model_of_the_same_thread_is_answered_too(
    engine: Engine, layered: Any, plain: Any
) -> None:
    other = _served(plain.PlainModel())  # which need not allow pauses itself
    other.way = engine.way
    queries: list[EngineRequest] = []
    layered.before = lambda layer: queries or queries.append(_ask(other, 3, 5))
    engine.submit([LONG], OPTIONS)
    engine.step()
    assert queries[0].future.result(0)["embed"].tolist() == [4.0, 1.0]
    other.shutdown()


def test_a_model_that_another_thread_changes_is_left_alone_in_a_pause(engine: Engine, layered: Any, plain: Any) -> None:
    other = _served(plain.PlainModel())
    other.way = engine.way
    queries: list[EngineRequest] = []
    layered.before = lambda layer: queries or queries.append(_ask(other, 3, 5))
    changing, changed = threading.Event(), threading.Event()

    def change() -> None:
        with other.exclusive("style"):
            changing.set()
            changed.wait(30)

    thread = threading.Thread(target=change)
    thread.start()
    assert changing.wait(30)
    (long,) = engine.submit([LONG], OPTIONS)
    engine.step()
    changed.set()
    thread.join(30)
    assert long.future.done()
    assert not queries[0].future.done()
    other.step()
    assert queries[0].future.done()
    other.shutdown()


def test_a_batch_has_six_tenths_of_a_short_step_for_each_of_its_parts(
    engine: Engine, layered: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pauses, "parts", lambda _, seconds: 5.0)
    engine._batches.pace.note_short()
    engine.submit([PreparedInput(token_ids=(7,) * 10)] * 30, OPTIONS)
    engine.step()  # how many parts there are, is not known yet
    engine.submit([LONG], OPTIONS)
    while engine.is_ready:
        engine.step()
    engine.submit([PreparedInput(token_ids=(7,) * 10)] * 30, OPTIONS)
    engine.step()
    assert layered.batches[0] == (10, 10)
    assert layered.batches[-1] == (10,) * 6


def test_heavy_calls_wait_for_their_turn(engine: Engine, layered: Any) -> None:
    other: list[EngineRequest] = []
    layered.before = lambda layer: other or other.extend(engine.submit([LONG], OPTIONS))
    engine.submit([LONG], OPTIONS)
    engine.step()
    assert not other[0].future.done()
    engine.step()
    assert other[0].future.done()


def test_a_light_batch_is_not_interrupted(engine: Engine, layered: Any) -> None:
    light = [_ask(engine, *range(1, 16)) for _ in range(6)]  # together as long as a heavy one
    engine.step()
    assert layered.starts == [0]
    assert all(request.future.done() for request in light)


@pytest.mark.parametrize("stop", [Engine.pause, Engine.abandon])
def test_nothing_is_begun_in_an_engine_that_pauses_or_ended(
    engine: Engine, layered: Any, stop: Callable[[Engine], None]
) -> None:
    queries: list[EngineRequest] = []

    def before(layer: int) -> None:
        if layer == 1:
            queries.append(_ask(engine, 3))
            stop(engine)

    layered.before = before
    (long,) = engine.submit([LONG], OPTIONS)
    engine.step()
    assert layered.batches == [(90,)]
    assert long.future.result(0)["embed"].tolist() == [7.0, 1.0]
    assert engine.stats().running == 0


@pytest.mark.parametrize("poison", ["NAN", "CRASH"])
def test_a_light_call_that_fails_costs_the_batch_nothing(engine: Engine, layered: Any, plain: Any, poison: str) -> None:
    queries: list[EngineRequest] = []
    layered.before = lambda layer: queries.append(_ask(engine, getattr(plain, poison)))
    (long,) = engine.submit([LONG], OPTIONS)
    engine.step()
    while engine.step():
        pass
    assert long.future.result(0)["embed"].tolist() == [7.0, 1.0]
    assert len(queries) == 4
    assert all(query.future.exception(0) is not None for query in queries)


def test_a_batch_that_fails_behind_a_pause_costs_the_light_call_nothing(
    engine: Engine, layered: Any, plain: Any
) -> None:
    queries: list[EngineRequest] = []
    layered.before = lambda layer: queries or queries.append(_ask(engine, 3, 5))
    (long,) = engine.submit([PreparedInput(token_ids=(plain.CRASH,) * 90)], OPTIONS)
    engine.step()
    assert long.future.exception(0) is not None
    assert queries[0].future.result(0)["embed"].tolist() == [4.0, 1.0]
    assert engine.stats().running == 0


def test_models_that_do_not_allow_it_and_offline_calls_have_no_pauses(
    layered: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pace, "short_step", 20.0)

    class Silent(type(layered)):  # type: ignore[misc]
        def forward(self, batch: PackedBatch) -> Tensor:
            return super().forward(batch)  # type: ignore[no-any-return]

    for model, served, starts in ((Silent(), True, [0]), (layered, False, [0]), (layered, True, [0, 0, 1])):
        engine = _served(model) if served else Engine(model, EngineConfig(max_num_batched_tokens=100), "cpu")
        model.before = lambda layer, engine=engine: layer or _ask(engine, 3)
        (long,) = engine.submit([LONG], OPTIONS)
        engine.step()
        assert long.future.done()
        assert model.starts == starts
        engine.shutdown()


def test_long_texts_and_queries_at_once_get_what_they_get_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pace, "short_step", 40.0)
    inside: list[bool] = []
    run_light = Batches.run_light

    def watched(own: Batches) -> None:
        before = own.stats().forwards
        run_light(own)
        inside.append(own.stats().forwards > before)

    monkeypatch.setattr(Batches, "run_light", watched)
    llm = AsyncLLM(find_default_model().source)
    assert is_reentrant(llm.engine.model)
    longs = [f"text number {place} " * 60 for place in range(24)]
    shorts = [f"query {place}" for place in range(40)]

    def ask(text: str) -> Any:
        (answer,) = asyncio.run_coroutine_threadsafe(llm.run([Prompt(text=text)], task="embed"), loop).result(60)
        return np.asarray(answer.outputs.data.tolist())

    loop = asyncio.new_event_loop()
    with ThreadPoolExecutor(8) as pool:
        runner = pool.submit(loop.run_forever)
        try:
            alone = [ask(text) for text in (*longs, *shorts)]
            together = list(pool.map(ask, (*longs, *shorts)))
        finally:
            asyncio.run_coroutine_threadsafe(llm.shutdown(), loop).result(60)
            loop.call_soon_threadsafe(loop.stop)
            runner.result(60)
            loop.close()
    assert any(inside)
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)
