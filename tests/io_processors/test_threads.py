"""The threads of a processor: replaced where a call outlives its request, up to a bound."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from cenote import AsyncLLM
from cenote.errors import EngineClosed, ProcessorError
from cenote.io_processors import IOProcessor
from cenote.io_processors.threads import HookThreads, NoThreadLeft


class Holding(IOProcessor[Any, Any]):
    """Holds its thread until the test lets go, where the data says so."""

    def __init__(self, context):
        super().__init__(context)
        self.go, self.begun = threading.Event(), threading.Semaphore(0)

    def pre_process(self, prompt, context):
        if prompt == "hold":
            self.begun.release()
            self.go.wait(60)
        return []

    def post_process(self, outputs, context):
        return "done"


class Blocking(Holding):
    """Blocks the event loop until its request has no more time."""

    async def pre_process_async(self, prompt, context):
        while time.monotonic() < context.deadline:
            time.sleep(0.001)
        return []


@pytest.fixture
def threads() -> Iterator[HookThreads]:
    made = HookThreads()
    yield made
    made.shutdown(EngineClosed)


def hold(threads: HookThreads, go: threading.Event) -> Future[Any]:
    """Begin a call that ends when the test says so."""
    begun = threading.Event()
    future = threads.submit(lambda: (begun.set(), go.wait(60)))
    assert begun.wait(60)
    return future


def until(condition: Any) -> None:
    while not condition():
        time.sleep(0.001)


def test_a_thread_whose_call_is_abandoned_is_replaced_and_comes_back(threads: HookThreads) -> None:
    go = threading.Event()
    held = [hold(threads, go) for _ in range(4)]
    waiting = threads.submit(lambda: "ran")
    assert not waiting.done()
    assert threads.abandon(held[0]) is False
    assert waiting.result(timeout=60) == "ran"
    assert threads.lost == 1
    go.set()
    until(lambda: threads.lost == 0)
    assert [threads.submit(lambda: "ran").result(timeout=60) for _ in range(9)] == ["ran"] * 9
    assert threads.abandon(held[0]) is False
    assert threads.lost == 0


def test_a_call_that_no_thread_has_begun_is_taken_back(threads: HookThreads) -> None:
    go = threading.Event()
    held = [hold(threads, go) for _ in range(4)]
    waiting = threads.submit(lambda: "ran")
    assert threads.abandon(waiting) is False
    assert waiting.cancelled()
    assert threads.lost == 0
    go.set()
    assert [job.result(timeout=60)[1] for job in held] == [True] * 4


def test_where_every_thread_is_lost_calls_fail_at_once_until_one_comes_back(threads: HookThreads) -> None:
    go = threading.Event()
    for _ in range(15):
        assert threads.abandon(hold(threads, go)) is False
    last = hold(threads, go)
    waiting = threads.submit(lambda: "ran")
    assert threads.abandon(last) is True
    for refused in (waiting, threads.submit(lambda: "ran")):
        with pytest.raises(NoThreadLeft) as caught:
            refused.result(timeout=60)
        assert caught.value.count == 16
    go.set()
    until(lambda: threads.lost == 0)
    assert threads.submit(lambda: "ran").result(timeout=60) == "ran"
    until(lambda: sum(each.name.startswith("cenote-processor") for each in threading.enumerate()) <= 4)


def test_threads_end_when_they_are_told_to_also_those_that_were_lost(threads: HookThreads) -> None:
    go = threading.Event()
    before = set(threading.enumerate())
    held = [hold(threads, go)]
    assert threads.abandon(held[0]) is False
    held += [hold(threads, go) for _ in range(4)]
    begun = set(threading.enumerate()) - before
    threads.shutdown(lambda: EngineClosed("It ended."))
    with pytest.raises(EngineClosed, match=r"^It ended\.$"):
        threads.submit(lambda: "ran").result(timeout=60)
    go.set()
    assert [job.result(timeout=60)[1] for job in held] == [True] * len(held)
    for each in begun:
        each.join(60)
    assert not any(each.is_alive() for each in begun)


def test_requests_whose_hooks_never_end_leave_the_processor_to_others(offer, source: str) -> None:
    llm = AsyncLLM(source, io_processor_plugin=offer(Holding))
    who: Any = llm.processor()
    begun = 0

    async def leave() -> None:
        nonlocal begun
        job = asyncio.ensure_future(llm.process("hold"))
        assert await asyncio.to_thread(who.processor.begun.acquire, timeout=60)
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)
        begun += 1

    async def everybody() -> None:
        for _ in range(15):
            await leave()
            assert await llm.process("go on") == "done"
        await leave()
        with pytest.raises(ProcessorError) as caught:
            await llm.process("go on")
        assert (caught.value.status, who.threads.lost) == (503, 16)
        assert str(caught.value) == (
            "IO processor 'holding' of acme 1.0 cannot work now: 16 of its calls never ended, though their requests "
            "did, and hold its threads."
        )
        who.processor.go.set()
        await asyncio.to_thread(until, lambda: who.threads.lost == 0)
        assert await llm.process("go on") == "done"
        await llm.shutdown()

    asyncio.run(everybody())


def test_a_hook_that_blocks_the_event_loop_is_blamed_for_the_time(offer, source: str) -> None:
    async def ask() -> Any:
        llm = AsyncLLM(source, io_processor_plugin=offer(Blocking))
        try:
            return await llm.process("x", deadline=time.monotonic() + 0.2)
        finally:
            await llm.shutdown()

    with pytest.raises(ProcessorError, match=r"^IO processor 'blocking' of acme 1\.0 took in pre_process_async longer"):
        asyncio.run(ask())
