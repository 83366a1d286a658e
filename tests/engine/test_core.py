"""The engine: batching, isolation, cancelling, limits, stopping."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from types import ModuleType
from typing import Any

import pytest

from cenote.config import EngineConfig
from cenote.engine import ComputeLoop, Engine
from cenote.engine.request import EngineRequest, RequestOptions
from cenote.errors import EngineClosed, InvalidRequest, NonFiniteResult, QueueFull, WrongResult
from cenote.types import PreparedInput, Prompt

OPTIONS = RequestOptions(task="embed")


def _inputs(*prompts: tuple[int, ...]) -> list[PreparedInput]:
    return [PreparedInput(token_ids=ids) for ids in prompts]


def _value(request: EngineRequest) -> list[float]:
    return request.future.result(timeout=30)["embed"].tolist()  # type: ignore[no-any-return]


def _running(model: Any, **options: int) -> Engine:
    """Return an engine with a thread that runs its batches."""
    engine = Engine(model, EngineConfig(**options), "cpu")  # type: ignore[arg-type]
    loop = ComputeLoop()
    loop.join(engine)
    loop.close()
    return engine


@pytest.fixture
def engine(model: Any) -> Iterator[Engine]:
    made = _running(model, max_num_batched_tokens=50)
    yield made
    model.release.set()
    made.shutdown()


def test_results_belong_to_their_prompts_and_tokens_are_counted(engine: Engine) -> None:
    prompts = [(n, n + 2) if n % 3 else (n,) for n in range(1, 200)]
    requests = engine.submit(_inputs(*prompts), OPTIONS)
    assert [_value(request)[0] for request in requests] == [sum(ids) / len(ids) for ids in prompts]
    stats = engine.stats()
    assert (stats.tokens, stats.requests) == (sum(map(len, prompts)), len(prompts))


def test_requests_that_arrive_during_a_forward_share_the_next_one(
    engine: Engine, model: Any, plain: ModuleType
) -> None:
    first = engine.submit(_inputs((plain.BLOCK,)), OPTIONS)[0]
    assert model.entered.wait(30)
    later = [engine.submit(_inputs((n,)), OPTIONS)[0] for n in (1, 2, 3)]
    model.release.set()
    assert [_value(request)[0] for request in later] == [1.0, 2.0, 3.0]
    assert _value(first)[0] == plain.BLOCK
    assert model.batches == [(1,), (1, 1, 1)]


def test_a_pause_holds_requests_back_and_resuming_runs_them_together(engine: Engine, model: Any) -> None:
    engine.pause()
    requests = [engine.submit(_inputs((n,)), OPTIONS)[0] for n in (5, 6)]
    assert engine.stats().waiting == 2
    engine.resume()
    assert [_value(request)[0] for request in requests] == [5.0, 6.0]
    assert model.batches == [(1, 1)]


@pytest.mark.parametrize("poison", ["NAN", "CRASH"])
def test_a_bad_request_fails_alone(engine: Engine, plain: ModuleType, poison: str) -> None:
    engine.pause()
    requests = engine.submit(_inputs((1,), (getattr(plain, poison),), (2,)), OPTIONS)
    engine.resume()
    assert _value(requests[0])[0] == 1.0
    assert _value(requests[2])[0] == 2.0
    with pytest.raises(NonFiniteResult if poison == "NAN" else RuntimeError):
        _value(requests[1])


def test_a_pooler_that_answers_too_few_fails_its_requests_and_not_the_engine(engine: Engine, model: Any) -> None:
    good = model.pooler
    model.pooler = lambda hidden, batch: []
    with pytest.raises(WrongResult, match="returned 0 results for 1 prompts"):
        _value(engine.submit(_inputs((1,)), OPTIONS)[0])
    model.pooler = good
    assert _value(engine.submit(_inputs((2,)), OPTIONS)[0])[0] == 2.0


@pytest.mark.parametrize("error", [StopIteration, CancelledError])
def test_an_error_that_no_coroutine_can_be_sent_reaches_the_caller_as_another(
    engine: Engine, model: Any, error: type[Exception]
) -> None:
    def broken(hidden: object, batch: object) -> object:
        raise error

    async def ask() -> None:
        (request,) = engine.submit(_inputs((1,)), OPTIONS)
        await asyncio.wait_for(asyncio.wrap_future(request.future), 30)

    model.pooler = broken
    with pytest.raises(RuntimeError, match=f"The model raised {error.__name__}"):
        asyncio.run(ask())


def test_a_cancelled_request_never_runs(engine: Engine, model: Any) -> None:
    engine.pause()
    gone, kept = engine.submit(_inputs((1, 1, 1), (2,)), OPTIONS)
    engine.cancel([gone])
    assert (engine.stats().waiting, engine.stats().waiting_tokens) == (1, 1)
    engine.resume()
    assert _value(kept)[0] == 2.0
    with pytest.raises(CancelledError):
        gone.future.result()
    assert model.batches == [(1,)]


@pytest.mark.parametrize(
    ("limits", "message"),
    [({"max_num_queued_reqs": 2}, "at most 2 may wait"), ({"max_num_queued_tokens": 5}, "at most 5 may wait")],
)
def test_a_full_queue_refuses_and_keeps_what_it_has(model: Any, limits: dict[str, int], message: str) -> None:
    engine = _running(model, **limits)
    engine.pause()
    kept = engine.submit(_inputs((1, 1), (2, 2)), OPTIONS)
    with pytest.raises(QueueFull, match=message):
        engine.submit(_inputs((3, 3)), OPTIONS)
    engine.resume()
    assert [_value(request)[0] for request in kept] == [1.0, 2.0]
    engine.shutdown()


def test_a_prompt_that_could_never_be_queued_is_wrong_not_late(model: Any) -> None:
    engine = Engine(model, EngineConfig(max_num_queued_tokens=2), "cpu")
    with pytest.raises(InvalidRequest, match="has 3 tokens; this server takes at most 2"):
        engine.submit(_inputs((1,), (2, 2, 2), (3,)), OPTIONS)
    assert engine.stats().waiting == 0
    engine.shutdown()


def test_a_caller_may_run_the_batches_itself(model: Any) -> None:
    engine = Engine(model, EngineConfig(), "cpu")
    requests = engine.submit(_inputs((1,), (2, 4)), OPTIONS)
    assert not any(request.future.done() for request in requests)
    assert engine.step()
    assert [_value(request)[0] for request in requests] == [1.0, 3.0]
    assert not engine.step()
    engine.shutdown()


def test_whoever_sees_a_result_sees_it_in_the_counters(model: Any) -> None:
    engine = Engine(model, EngineConfig(), "cpu")
    (request,) = engine.submit(_inputs((1,)), OPTIONS)
    seen: list[tuple[int, int]] = []
    request.future.add_done_callback(lambda _: seen.append((engine.stats().running, engine.stats().requests)))
    engine.step()
    assert seen == [(0, 1)]
    engine.shutdown()


def test_an_interrupted_batch_leaves_nobody_waiting(model: Any) -> None:
    def interrupted(batch: object) -> None:
        raise KeyboardInterrupt

    engine = Engine(model, EngineConfig(), "cpu")
    model.forward = interrupted
    request = engine.submit(_inputs((1,)), OPTIONS)[0]
    with pytest.raises(KeyboardInterrupt):
        engine.step()
    with pytest.raises(EngineClosed, match="interrupted"):
        _value(request)
    assert engine.stats().running == 0
    engine.shutdown()


def test_shutdown_fails_what_waits_and_refuses_what_comes(model: Any) -> None:
    engine = Engine(model, EngineConfig(), "cpu")
    engine.pause()
    waiting = engine.submit(_inputs((1,)), OPTIONS)[0]
    engine.shutdown()
    engine.shutdown()
    with pytest.raises(EngineClosed):
        _value(waiting)
    with pytest.raises(EngineClosed):
        engine.submit(_inputs((1,)), OPTIONS)
    assert not engine.is_healthy


def test_shutdown_fails_what_waits_to_be_tokenised_without_cancelling_it(model: Any) -> None:
    begun, prepare = threading.Event(), model.prepare

    def slow(*arguments: object) -> object:
        begun.set()
        assert model.release.wait(30)
        return prepare(*arguments)

    async def ask() -> list[BaseException | None]:
        engine = Engine(model, EngineConfig(renderer_num_workers=1), "cpu")
        model.prepare = slow
        futures = [engine.prepare([Prompt(token_ids=(1,))], OPTIONS) for _ in range(3)]
        assert begun.wait(30)
        engine.shutdown()
        model.release.set()
        found = await asyncio.gather(*map(asyncio.wrap_future, futures), return_exceptions=True)
        return [item if isinstance(item, BaseException) else None for item in found]

    first, *others = asyncio.run(ask())
    assert first is None
    assert [type(error) for error in others] == [EngineClosed, EngineClosed]


def test_a_process_that_was_forked_off_is_told_to_load_the_model_itself(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, own = Engine(model, EngineConfig(), "cpu"), os.getpid()
    with monkeypatch.context() as child:
        child.setattr(os, "getpid", lambda: own + 1)
        assert not engine.is_healthy
        with pytest.raises(EngineClosed, match="before this process was forked off"):
            engine.prepare([Prompt(token_ids=(1,))], OPTIONS)
        with pytest.raises(EngineClosed, match="before this process was forked off"):
            engine.submit(_inputs((1,)), OPTIONS)
        engine.shutdown()
    assert engine.is_healthy
    engine.shutdown()


def test_a_text_that_takes_long_to_tokenise_does_not_keep_a_process_from_ending() -> None:
    code = """
import threading, time
from cenote.threads import DaemonThreads
started = threading.Event()
DaemonThreads(1, "slow").submit(lambda: (started.set(), time.sleep(600)))
assert started.wait(30)
"""
    subprocess.run([sys.executable, "-P", "-c", code], check=True, timeout=60)


def test_shutdown_can_wait_for_what_is_queued(engine: Engine, model: Any, plain: ModuleType) -> None:
    blocked = engine.submit(_inputs((plain.BLOCK,)), OPTIONS)[0]
    assert model.entered.wait(30)
    queued = engine.submit(_inputs((7,)), OPTIONS)[0]
    closing = threading.Thread(target=engine.shutdown, args=(30,))
    closing.start()
    model.release.set()
    assert _value(queued)[0] == 7.0
    assert _value(blocked)[0] == plain.BLOCK
    closing.join(30)


def test_cancelling_an_awaiting_call_cancels_its_waiting_requests(
    engine: Engine, model: Any, plain: ModuleType
) -> None:
    async def give_up() -> None:
        requests = engine.submit(_inputs((3,)), OPTIONS)
        waiter = asyncio.ensure_future(asyncio.wrap_future(requests[0].future))
        await asyncio.sleep(0)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter

    engine.submit(_inputs((plain.BLOCK,)), OPTIONS)
    assert model.entered.wait(30)
    asyncio.run(give_up())
    model.release.set()
    assert _value(engine.submit(_inputs((4,)), OPTIONS)[0])[0] == 4.0
    assert model.batches == [(1,), (1,)]
