"""One thread that loads the models of several engines and runs their batches, in turns.

A second thread that computes would bring a second team of OpenMP threads (see `cenote.engine.core`), so all models
of a server share this one.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from cenote.engine.core import Engine
from cenote.engine.way import RightOfWay
from cenote.errors import EngineClosed
from cenote.threads import carried

__all__ = ["ComputeLoop"]

T = TypeVar("T")

_log = logging.getLogger(__name__)

#: A job: its future, what to call, and with what.
_Job = tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]


class ComputeLoop:
    """A computing thread for one or several engines.

    The thread ends once the loop is closed, or nobody holds it any more, and all its engines were shut down.
    """

    def __init__(self) -> None:
        self._shared = _Shared()
        self._thread = threading.Thread(target=_work, args=(self._shared,), name="cenote-compute", daemon=True)
        self._thread.start()
        weakref.finalize(self, self._shared.close)

    @property
    def is_alive(self) -> bool:
        """Tell whether the thread runs."""
        return self._thread.is_alive()

    def call(self, function: Callable[..., T], *arguments: Any) -> Future[T]:
        """Call a function in the thread, between two batches.

        Raises:
            EngineClosed: the thread ended, or is about to.
        """
        future: Future[T] = Future()
        with self._shared.changed:
            if self._shared.closed and not self._shared.engines and not self._shared.jobs:
                raise EngineClosed("The computing thread was closed.")
            self._shared.jobs.append((future, function, arguments))
            self._shared.changed.notify()
        return future

    def join(self, engine: Engine) -> None:
        """Run an engine's batches from now on, until it is shut down.

        Raises:
            EngineClosed: the loop was closed.
        """
        if self._shared.closed:
            raise EngineClosed("The computing thread takes no further engines.")
        engine.way = self._shared.way
        engine.when_changed(self._shared.wake)
        self.call(self._shared.add, engine)

    def close(self) -> None:
        """Take no further engines; the thread ends with the last one that it has. Idempotent."""
        self._shared.close()


class _Shared:
    """What the thread and the others see; it does not keep the loop itself alive."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.jobs: deque[_Job] = deque()
        #: Who has short requests, for the tokenising threads of all engines.
        self.way = RightOfWay()
        #: In the order of their turns; only the thread touches it.
        self.engines: deque[Engine] = deque()
        self.closed = False

    def close(self) -> None:
        with self.changed:
            self.closed = True
            self.changed.notify()

    def add(self, engine: Engine) -> None:
        self.engines.append(engine)

    def wake(self) -> None:
        with self.changed:
            self.changed.notify()

    def has_news(self) -> bool:
        """Tell whether the thread has something to do; engines may be read without their locks, as they wake it."""
        ended = self.closed and not self.engines
        return bool(self.jobs) or ended or any(engine.is_ready or not engine.is_healthy for engine in self.engines)


def _work(shared: _Shared) -> None:
    while True:
        with shared.changed:
            shared.changed.wait_for(shared.has_news)
            job = shared.jobs.popleft() if shared.jobs else None
            shared.engines = deque(engine for engine in shared.engines if engine.is_healthy)
            if job is None and shared.closed and not shared.engines:
                return
        if job is not None:
            _do(*job)
        del job  # an idle thread must not keep the last job's model alive
        _take_turn(shared.engines)


def _do(future: Future[Any], function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function(*arguments))
    except BaseException as exc:
        future.set_exception(carried(exc))


def _take_turn(engines: deque[Engine]) -> None:
    """Run one batch of the first engine that has one, and put it last."""
    engine = next((engine for engine in engines if engine.is_ready), None)
    if engine is None:
        return
    engines.remove(engine)
    engines.append(engine)
    try:
        hurried = any(other.is_hurried for other in engines if other is not engine)
        engine.step(wait=False, hurried=hurried)
    except BaseException as exc:
        # One engine that breaks must not take the others along.
        _log.critical("the engine broke and answers no more", exc_info=exc)
        engine.abandon()
