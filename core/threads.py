"""Threads that run jobs. Unlike those of `concurrent.futures`, they never keep a process from ending."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

__all__ = ["DaemonThreads", "carried"]

T = TypeVar("T")

#: A job: its future, and what to call; None ends a thread.
_Job = tuple[Future[Any], Callable[[], Any]]


def carried(error: BaseException, who: str = "The code that was called") -> Exception:
    """Return what a future can carry in place of an error that means something else to whoever awaits it.

    No coroutine can be sent a `StopIteration`: who awaits would never wake. A cancellation would be taken for one by
    the caller. `SystemExit` and `KeyboardInterrupt` of a task end the event loop, and with it the whole server.

    Args:
        error: what was raised.
        who: whose error it is, for the text of another one.
    """
    if isinstance(error, Exception) and not isinstance(error, StopIteration | StopAsyncIteration | CancelledError):
        return error
    instead = RuntimeError(f"{who} raised {type(error).__name__}.")
    instead.__cause__ = error
    return instead


class DaemonThreads:
    """A pool of daemon threads. The standard pool joins its threads at exit, however long a job takes them.

    Args:
        count: most threads; each begins when a job comes and not all of them have begun.
        name: in front of the threads' numbers.
    """

    def __init__(self, count: int, name: str) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._count = count
        self._name = name
        self._begun = 0
        self._lock = threading.RLock()  # shutdown may be called by the garbage collector, within submit
        self._closed: Callable[[], Exception] | None = None

    def submit(self, call: Callable[..., T], *arguments: Any) -> Future[T]:
        """Call in one of the threads, with the context variables of now."""
        future: Future[T] = Future()
        context = contextvars.copy_context()
        with self._lock:
            if (refusal := self._refusal()) is not None:
                future.set_exception(refusal)
            else:
                self._jobs.put((future, lambda: context.run(call, *arguments)))
                self._begin()
        return future

    def shutdown(self, error: Callable[[], Exception]) -> None:
        """Let the threads end after what they do; what is queued or comes later fails with an error made for it."""
        with self._lock:
            self._closed = error
        self._fail_waiting(error)
        for _ in range(self._begun):
            self._jobs.put(None)

    def _refusal(self) -> Exception | None:
        """Return why no call is taken now, or None; the lock is held."""
        return None if self._closed is None else self._closed()

    def _has_room(self) -> bool:
        """Tell whether one more thread may begin; the lock is held."""
        return self._begun < self._count

    def _stays(self, future: Future[Any]) -> bool:
        """Tell whether the thread of a call that has ended goes on."""
        return True

    def _begin(self) -> None:
        """Begin one more thread where there is room; the lock is held."""
        if self._has_room():
            thread = threading.Thread(target=self._work, name=f"{self._name}-{self._begun}", daemon=True)
            self._begun += 1
            thread.start()

    def _fail_waiting(self, error: Callable[[], Exception]) -> None:
        """Fail the calls that no thread has begun."""
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
                future.set_exception(carried(exc))
            if not self._stays(future):
                return
            del job, future, call  # an idle thread must not keep the last job's texts, or its engine, alive
