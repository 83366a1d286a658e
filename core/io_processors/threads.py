"""Threads of one processor. One that is still busy when its request has ended is replaced, as often as is bearable."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from cenote.errors import EngineClosed

__all__ = ["HookThreads", "NoThreadLeft"]

T = TypeVar("T")

#: A call: its future, and what to call; None ends a thread.
_Job = tuple[Future[Any], Callable[[], Any]]

#: Calls that run at a time.
_COUNT = 4
#: Threads that are held by calls whose requests have ended, from which on no call is taken.
_MOST_LOST = 16


class NoThreadLeft(EngineClosed):
    """Calls that never ended hold every thread of a processor.

    Attributes:
        count: of these calls.
    """

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} calls that never ended hold every thread.")
        self.count = count


class HookThreads:
    """A pool of daemon threads that gives up those whose callers have.

    A thread cannot be stopped. One whose call is abandoned counts as lost until the call ends, and another takes its
    place; it comes back where there is room for it.
    """

    def __init__(self) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._lost: set[Future[Any]] = set()
        self._count = 0  # threads that are not lost
        self._begun = 0
        self._lock = threading.RLock()  # shutdown may be called by the garbage collector, within submit
        self._closed: Callable[[], Exception] | None = None

    @property
    def lost(self) -> int:
        """Return how many threads are held by calls that nobody waits for any more."""
        return len(self._lost)

    def submit(self, call: Callable[..., T], *arguments: Any) -> Future[T]:
        """Call in one of the threads, with the context variables of now.

        The future fails with NoThreadLeft where every thread is lost.
        """
        future: Future[T] = Future()
        context = contextvars.copy_context()
        with self._lock:
            if self._closed is not None:
                future.set_exception(self._closed())
            elif len(self._lost) >= _MOST_LOST:
                future.set_exception(NoThreadLeft(len(self._lost)))
            else:
                self._jobs.put((future, lambda: context.run(call, *arguments)))
                self._begin()
        return future

    def abandon(self, future: Future[Any]) -> bool:
        """Wait for a call no longer: take it back, or count on its thread no more.

        Returns:
            Whether it held the last thread there was, so that what waits for one has failed.
        """
        if future.cancel():
            return False
        with self._lock:
            if future.done() or self._closed is not None:
                return False
            self._lost.add(future)
            self._count -= 1
            if len(self._lost) < _MOST_LOST:
                if not self._jobs.empty():
                    self._begin()
                return False
            self._fail_waiting(lambda: NoThreadLeft(_MOST_LOST))
            return True

    def shutdown(self, error: Callable[[], Exception]) -> None:
        """Let the threads end after what they do; what is queued or comes later fails with an error made for it."""
        with self._lock:
            self._closed = error
            self._fail_waiting(error)
            for _ in range(self._count + len(self._lost)):
                self._jobs.put(None)

    def _begin(self) -> None:
        """Begin one more thread where there is room."""
        if self._count < _COUNT and self._count + len(self._lost) < _MOST_LOST:
            name = f"cenote-processor-{self._begun}"
            thread = threading.Thread(target=self._work, name=name, daemon=True)
            self._count += 1
            self._begun += 1
            thread.start()

    def _fail_waiting(self, error: Callable[[], Exception]) -> None:
        while True:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return
            if job is not None and job[0].set_running_or_notify_cancel():
                job[0].set_exception(error())

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, call = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(call())
            except BaseException as exc:
                future.set_exception(exc)
            if not self._stays(future):
                return
            del job, future, call  # an idle thread must not keep the last call's texts, or its engine, alive

    def _stays(self, future: Future[Any]) -> bool:
        """Tell whether the thread of a call that has ended goes on; it does not where another one has its place."""
        with self._lock:
            if future not in self._lost:
                return True
            self._lost.discard(future)
            if self._count >= _COUNT:
                return False
            self._count += 1
            return True
