"""Two ways to call hooks: awaiting, for a server, and blocking, for offline work. One coroutine serves both."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Coroutine
from typing import Any, Protocol, TypeVar

from cenote.io_processors.faults import lost
from cenote.io_processors.loaded import LoadedProcessor
from cenote.io_processors.threads import NoThreadLeft

__all__ = ["AwaitingCalls", "BlockingCalls", "HookCalls", "PrivateLoop", "drive"]

T = TypeVar("T")


class HookCalls(Protocol):
    """How hooks are called.

    Attributes:
        is_callers_thread: blocking hooks run in the thread of whoever asks, where an interrupt is meant for them.
    """

    is_callers_thread: bool

    async def plain(self, who: LoadedProcessor, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function that may block."""
        ...

    async def awaited(self, function: Callable[..., Coroutine[Any, Any, T]], *arguments: Any) -> T:
        """Call a coroutine function and await it."""
        ...


class AwaitingCalls:
    """Blocking hooks run in the processor's threads, the others on the event loop of the caller."""

    is_callers_thread = False

    async def plain(self, who: LoadedProcessor, function: Callable[..., T], *arguments: Any) -> T:
        """Call in a thread; cancelling takes the call back where no thread has begun it, else gives the thread up."""
        try:
            result: T = await who.in_thread(function, *arguments)
        except NoThreadLeft as exc:
            raise lost(who, exc) from exc
        return result

    async def awaited(self, function: Callable[..., Coroutine[Any, Any, T]], *arguments: Any) -> T:
        """Await it here."""
        return await function(*arguments)


class BlockingCalls:
    """Blocking hooks run in the caller's thread, the others on an event loop in a thread of their own."""

    is_callers_thread = True

    def __init__(self, loop: PrivateLoop) -> None:
        self._loop = loop

    async def plain(self, who: LoadedProcessor, function: Callable[..., T], *arguments: Any) -> T:
        """Call at once."""
        return function(*arguments)

    async def awaited(self, function: Callable[..., Coroutine[Any, Any, T]], *arguments: Any) -> T:
        """Wait until the private loop has run it."""
        return self._loop.run(function(*arguments))


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits for an event loop, as those with `BlockingCalls`, in the calling thread.

    It works where an event loop runs already, as in a notebook, since it needs none.
    """
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    coroutine.close()
    raise RuntimeError("The coroutine waits for an event loop.")


class PrivateLoop:
    """An event loop in a daemon thread, begun when it is first needed. One for all calls, so that clients live on."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end; an interrupt of the caller cancels it."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._started())
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=_serve, args=(self._loop,), name="cenote-hooks", daemon=True)
                self._thread.start()
            return self._loop

    def close(self, seconds: float = 0.0) -> None:
        """End the loop, and wait at most so long for what it runs."""
        with self._lock:
            loop, self._loop = self._loop, None
            thread, self._thread = self._thread, None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(seconds)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
        loop.run_until_complete(_end(asyncio.all_tasks(loop)))
    finally:
        loop.close()


async def _end(left: Collection[asyncio.Task[Any]]) -> None:
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
