"""Tokenising threads that give way to short requests: for how long, to whom, and that everybody stops holding it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from cenote.config import EngineConfig
from cenote.engine import ComputeLoop, Engine
from cenote.engine.request import EngineRequest, RequestOptions
from cenote.engine.way import RightOfWay
from cenote.types import PreparedInput, Prompt

OPTIONS = RequestOptions(task="embed")
MANY = [Prompt(token_ids=(number, 7)) for number in range(1, 41)]


class Holder:
    """Somebody with short requests; counts how often they are run."""

    def __init__(self) -> None:
        self.runs = 0

    def run_light(self) -> None:
        self.runs += 1


ENGINE, ANOTHER = Holder(), Holder()


class Left(threading.Event):
    """An event whose waits take no time: they move the clock on, and call what they are told to."""

    def __init__(self, then: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.now, self.waits, self.then = 0.0, 0, then

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.now += timeout
        self.waits += 1
        assert self.waits < 1000, "the pause has no end"
        self.then()
        return self.is_set()


def _held(left: Left) -> RightOfWay:
    way = RightOfWay(lambda: left.now)
    way.note(ENGINE, holds=True)
    return way


def test_nobody_pauses_where_no_short_request_is() -> None:
    left = Left()
    RightOfWay(lambda: left.now).give(left)
    assert left.waits == 0


def test_a_pause_ends_with_the_last_holder() -> None:
    left = Left()
    way = _held(left)
    way.note(ANOTHER, holds=True)
    ends = iter([ENGINE, ANOTHER])
    left.then = lambda: way.note(next(ends), holds=False)
    way.give(left)
    assert (left.waits, way.is_held) == (2, False)


def test_the_flag_is_set_while_anybody_holds_it_and_all_holders_are_run() -> None:
    way, holders = RightOfWay(), [Holder(), Holder()]
    assert way.flag.value == 0
    way.run_light()
    for holder in holders:
        way.note(holder, holds=True)
        assert way.flag.value == 1
    way.run_light()
    way.note(holders[0], holds=False)
    assert way.flag.value == 1
    way.run_light()
    way.note(holders[1], holds=False)
    assert way.flag.value == 0
    assert [holder.runs for holder in holders] == [1, 2]


def test_pauses_are_bounded_and_turns_lie_between_them() -> None:
    left = Left()
    way = _held(left)
    way.give(left)
    paused, first = left.now, left.waits
    assert 0 < paused < 0.03
    way.give(left)
    assert left.waits == first
    left.now += 0.024
    way.give(left)
    assert left.waits == first
    left.now += 0.002
    way.give(left)
    assert left.waits > first


def test_whoever_is_wanted_no_more_pauses_no_longer() -> None:
    left = Left()
    left.then = left.set
    _held(left).give(left)
    assert left.waits == 1


class Still:
    """A clock that stands still: a pause does not end by itself. Knows when a pause has begun."""

    def __init__(self) -> None:
        self.asked = threading.Event()

    def __call__(self) -> float:
        self.asked.set()
        return 0.0


@pytest.fixture
def clock() -> Still:
    return Still()


@pytest.fixture
def way(clock: Still) -> RightOfWay:
    return RightOfWay(clock)


@pytest.fixture
def engine(model: Any, way: RightOfWay) -> Engine:
    made = Engine(model, EngineConfig(renderer_num_workers=1), "cpu")
    made.way = way
    return made


def _ask(engine: Engine, number: int = 3) -> list[EngineRequest]:
    return engine.submit([PreparedInput(token_ids=(number,))], OPTIONS)


def test_a_short_request_holds_the_way_until_it_has_run(engine: Engine, way: RightOfWay) -> None:
    assert not way.is_held
    _ask(engine)
    assert way.is_held
    engine.step()
    assert not way.is_held


def test_a_short_request_holds_the_way_while_it_runs(
    engine: Engine, way: RightOfWay, model: Any, plain: ModuleType
) -> None:
    _ask(engine, plain.BLOCK)
    runs = threading.Thread(target=engine.step)
    runs.start()
    assert model.entered.wait(30)
    assert way.is_held
    model.release.set()
    runs.join(30)
    assert not way.is_held


@pytest.mark.parametrize("poison", ["NAN", "CRASH"])
def test_a_failure_leaves_nobody_holding_it(engine: Engine, way: RightOfWay, plain: ModuleType, poison: str) -> None:
    _ask(engine, getattr(plain, poison))
    engine.step()
    assert not way.is_held


def test_an_interrupted_batch_leaves_nobody_holding_it(engine: Engine, way: RightOfWay, model: Any) -> None:
    def interrupted(batch: Any) -> Any:
        raise KeyboardInterrupt

    model.forward = interrupted
    _ask(engine)
    with pytest.raises(KeyboardInterrupt):
        engine.step()
    assert not way.is_held


def test_cancelling_the_last_short_request_leaves_nobody_holding_it(engine: Engine, way: RightOfWay) -> None:
    one, other = _ask(engine), _ask(engine)
    engine.cancel(one)
    assert way.is_held
    engine.cancel(other)
    assert not way.is_held


@pytest.mark.parametrize("end", [Engine.shutdown, Engine.abandon])
def test_an_engine_that_ends_holds_it_no_longer(engine: Engine, way: RightOfWay, end: Callable[[Engine], None]) -> None:
    _ask(engine)
    end(engine)
    assert not way.is_held


def test_an_engine_that_is_paused_does_not_hold_it(engine: Engine, way: RightOfWay) -> None:
    _ask(engine)
    engine.pause()
    assert not way.is_held
    _ask(engine)
    assert not way.is_held
    engine.resume()
    assert way.is_held


def test_a_bulk_call_does_not_hold_it(engine: Engine, way: RightOfWay) -> None:
    engine.submit([PreparedInput(token_ids=(3,) * 90)] * 30, OPTIONS)
    assert not way.is_held


def test_a_job_that_pauses_makes_the_same_of_its_prompts(engine: Engine, way: RightOfWay, clock: Still) -> None:
    free = engine.prepare(MANY, OPTIONS).result(30)
    way.note(ANOTHER, holds=True)
    paused = engine.prepare(MANY, OPTIONS)
    few = engine.prepare(MANY[:2], OPTIONS)  # waits behind the job that pauses, in the only thread
    assert clock.asked.wait(30)
    assert not paused.done()
    assert not few.done()
    way.note(ANOTHER, holds=False)
    assert paused.result(30) == free
    assert few.result(30) == free[:2]


def test_few_prompts_give_way_to_nobody(engine: Engine, way: RightOfWay) -> None:
    way.note(ANOTHER, holds=True)
    assert [item.token_ids for item in engine.prepare(MANY[:2], OPTIONS).result(30)] == [(1, 7), (2, 7)]


def test_cancelling_a_job_that_pauses_frees_its_thread(engine: Engine, way: RightOfWay, clock: Still) -> None:
    way.note(ANOTHER, holds=True)
    paused = engine.prepare(MANY, OPTIONS)
    assert clock.asked.wait(30)
    paused.cancel()
    assert len(engine.prepare(MANY[:2], OPTIONS).result(30)) == 2


def test_engines_of_one_thread_give_way_to_each_other(plain: ModuleType) -> None:
    loop = ComputeLoop()
    models = [plain.PlainModel(), plain.PlainModel()]
    one, two = (Engine(model, EngineConfig(), "cpu") for model in models)
    for engine in (one, two):
        loop.join(engine)
    _ask(one, plain.BLOCK)
    assert models[0].entered.wait(30)
    assert two.way.is_held
    models[0].release.set()
    for engine in (one, two):
        engine.shutdown()
    assert not two.way.is_held
    loop.close()
