"""Threads of one processor. One that is still busy when its request has ended is replaced, as often as is bearable."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from cenote.errors import EngineClosed
from cenote.threads import DaemonThreads

__all__ = ["HookThreads", "NoThreadLeft"]

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


class HookThreads(DaemonThreads):
    """A pool of daemon threads that gives up those whose callers have.

    A thread cannot be stopped. One whose call is abandoned counts as lost until the call ends, and another takes its
    place; it comes back where there is room for it. A call fails with NoThreadLeft where every thread is lost.
    """

    def __init__(self) -> None:
        super().__init__(_COUNT, "cenote-processor")
        self._lost: set[Future[Any]] = set()
        self._kept = 0  # threads that are not lost

    @property
    def lost(self) -> int:
        """Return how many threads are held by calls that nobody waits for any more."""
        return len(self._lost)

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
            self._kept -= 1
            if len(self._lost) < _MOST_LOST:
                if not self._jobs.empty():
                    self._begin()
                return False
            self._fail_waiting(lambda: NoThreadLeft(_MOST_LOST))
            return True

    def _refusal(self) -> Exception | None:
        if self._closed is None and len(self._lost) >= _MOST_LOST:
            return NoThreadLeft(len(self._lost))
        return super()._refusal()

    def _has_room(self) -> bool:
        return self._kept < _COUNT and self._kept + len(self._lost) < _MOST_LOST

    def _begin(self) -> None:
        if self._has_room():
            super()._begin()
            self._kept += 1

    def _stays(self, future: Future[Any]) -> bool:
        """Tell whether the thread of a call that has ended goes on; it does not where another one has its place."""
        with self._lock:
            if future not in self._lost:
                return True
            self._lost.discard(future)
            if self._kept >= _COUNT:
                return False
            self._kept += 1
            return True
