"""Threads that run jobs. Unlike those of `concurrent.futures`, they never keep a process from ending."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

__all__ = ["DaemonThreads"]

T = TypeVar("T")

#: A job: its future, what to call, and with what; None ends a thread.
_Job = tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]


class DaemonThreads:
    """A pool of daemon threads. The standard pool joins its threads at exit, however long a job takes them."""

    def __init__(self, count: int, name: str) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._count = count
        for number in range(count):
            threading.Thread(target=_work, args=(self._jobs,), name=f"{name}-{number}", daemon=True).start()

    def submit(self, call: Callable[..., T], *arguments: Any) -> Future[T]:
        """Call in one of the threads."""
        future: Future[T] = Future()
        self._jobs.put((future, call, arguments))
        return future

    def shutdown(self, error: Callable[[], Exception]) -> None:
        """Let the threads end after what they do; what is queued fails with an error that is made for it."""
        for future, _, _ in self._drain():
            if future.set_running_or_notify_cancel():
                future.set_exception(error())
        for _ in range(self._count):
            self._jobs.put(None)

    def _drain(self) -> Iterator[_Job]:
        """Take the jobs that no thread has begun."""
        while True:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return
            if job is not None:
                yield job


def _work(jobs: SimpleQueue[_Job | None]) -> None:
    while (job := jobs.get()) is not None:
        future, call, arguments = job
        if not future.set_running_or_notify_cancel():
            continue
        try:
            future.set_result(call(*arguments))
        except BaseException as exc:
            future.set_exception(exc)
        del job, future, call, arguments  # an idle thread must not keep the last job's texts, or its engine, alive
