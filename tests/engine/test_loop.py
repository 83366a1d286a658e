"""Several engines on one computing thread."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from cenote.config import EngineConfig
from cenote.engine import AsyncLLM, ComputeLoop, Engine
from cenote.engine.request import EngineRequest, RequestOptions
from cenote.errors import CheckpointError, EngineClosed
from cenote.inputs import parse_prompts
from cenote.types import PreparedInput

OPTIONS = RequestOptions(task="embed")


class Recorder:
    """Models that write down whose batch ran, and in which thread."""

    def __init__(self, plain: ModuleType) -> None:
        self.batches: list[str] = []
        self.threads: set[int] = set()
        self.plain = plain

    def model(self, name: str) -> Any:
        made = self.plain.PlainModel()
        forward = made.forward

        def noting(batch: Any) -> Any:
            self.batches.append(name)
            self.threads.add(threading.get_ident())
            return forward(batch)

        made.forward = noting
        return made


@pytest.fixture
def recorder(plain: ModuleType) -> Recorder:
    return Recorder(plain)


@pytest.fixture
def loop() -> Iterator[ComputeLoop]:
    made = ComputeLoop()
    yield made
    made.close()


def _engine(model: Any, loop: ComputeLoop) -> Engine:
    engine = Engine(model, EngineConfig(max_num_seqs=1), "cpu")
    loop.join(engine)
    return engine


def _submit(engine: Engine, *numbers: int) -> list[EngineRequest]:
    return engine.submit([PreparedInput(token_ids=(number,)) for number in numbers], OPTIONS)


def _first(request: EngineRequest) -> float:
    return request.future.result(timeout=30)["embed"][0].item()


def test_engines_take_turns_in_one_thread(recorder: Recorder, loop: ComputeLoop) -> None:
    one, two = (_engine(recorder.model(name), loop) for name in ("one", "two"))
    for engine in (one, two):
        engine.pause()
    requests = [*_submit(one, 1, 2, 3), *_submit(two, 4)]
    loop.call(lambda: [engine.resume() for engine in (one, two)]).result(30)
    assert [_first(request) for request in requests] == [1, 2, 3, 4]
    assert recorder.batches == ["one", "two", "one", "one"]
    assert len(recorder.threads) == 1
    for engine in (one, two):
        engine.shutdown()


def _until(condition: Callable[[], bool]) -> None:
    gate, tries = threading.Event(), 0
    while not condition():
        tries += 1
        assert tries < 2000, "waited 20 s in vain"
        gate.wait(0.01)


def test_the_end_of_one_engine_leaves_the_others_running(recorder: Recorder, loop: ComputeLoop) -> None:
    model = recorder.model("one")
    one, two = _engine(model, loop), _engine(recorder.model("two"), loop)
    gone = weakref.ref(one)
    one.shutdown()
    del one, model
    assert _first(_submit(two, 5)[0]) == 5
    loop.call(gc.collect).result(30)
    _until(lambda: gone() is None)
    two.shutdown()
    loop.close()
    _until(lambda: not loop.is_alive)
    with pytest.raises(EngineClosed):
        loop.join(two)


def test_an_engine_that_breaks_is_unhealthy_and_leaves_the_others_running(
    recorder: Recorder, loop: ComputeLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(wait: bool) -> bool:
        raise SystemExit

    one, two = _engine(recorder.model("one"), loop), _engine(recorder.model("two"), loop)
    monkeypatch.setattr(one, "step", broken)
    with pytest.raises(EngineClosed, match="shut down"):
        _first(_submit(one, 1)[0])
    assert _first(_submit(two, 2)[0]) == 2
    with pytest.raises(EngineClosed):
        _submit(one, 1)
    assert (one.is_healthy, two.is_healthy, loop.is_alive) == (False, True, True)
    two.shutdown()


def test_a_model_that_exits_costs_its_request_alone(recorder: Recorder, loop: ComputeLoop) -> None:
    model, forwards = recorder.model("one"), iter([SystemExit, KeyboardInterrupt])
    forward = model.forward

    def broken(batch: Any) -> Any:
        raised = next(forwards, None)
        if raised is not None:
            raise raised
        return forward(batch)

    model.forward = broken
    engine = _engine(model, loop)
    for name in ("SystemExit", "KeyboardInterrupt"):
        with pytest.raises(RuntimeError, match=f"The model raised {name}"):
            _first(_submit(engine, 1)[0])
    assert _first(_submit(engine, 2)[0]) == 2
    engine.shutdown()


def test_a_paused_engine_holds_up_nobody(recorder: Recorder, loop: ComputeLoop) -> None:
    one, two = (_engine(recorder.model(name), loop) for name in ("one", "two"))
    one.pause()
    (held,) = _submit(one, 1)
    assert _first(_submit(two, 2)[0]) == 2
    assert not held.future.done()
    one.resume()
    assert _first(held) == 1
    for engine in (one, two):
        engine.shutdown()


def test_models_are_loaded_and_run_in_the_shared_thread(
    recorder: Recorder, loop: ComputeLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cenote.engine import async_face
    from cenote.engine.loader import LoadedModel

    def load(config: EngineConfig) -> LoadedModel:
        recorder.threads.add(threading.get_ident())
        if config.model == "wrong":
            raise CheckpointError("no such model")
        return LoadedModel(str(config.model), recorder.model(str(config.model)), None, "cpu")

    monkeypatch.setattr(async_face, "load_model", load)
    one = AsyncLLM("one", loop=loop)
    with pytest.raises(CheckpointError):
        AsyncLLM("wrong", loop=loop)
    two = AsyncLLM("two", loop=loop)

    async def both() -> list[float]:
        prompts = [parse_prompts([[7]]), parse_prompts([[8]])]
        answers = await asyncio.gather(one.run(prompts[0], task="embed"), two.run(prompts[1], task="embed"))
        return [answer[0].outputs.data[0].item() for answer in answers]

    assert asyncio.run(both()) == [7, 8]
    assert len(recorder.threads) == 1
    asyncio.run(one.shutdown())
    assert (one.is_healthy, two.is_healthy) == (False, True)
    asyncio.run(two.shutdown())
