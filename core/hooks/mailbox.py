"""A thread for calls that nobody waits for: one after another, in their order, with a bounded queue."""

from __future__ import annotations

import atexit
import logging
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from functools import cache

__all__ = ["Mailbox", "flush"]

_log = logging.getLogger(__name__)

#: Calls that may wait: some seconds of the shortest batches.
_MOST = 1024
#: Seconds for which a thread without work stays.
_LINGER = 5.0
#: Seconds that the end of a process waits for all mailboxes together.
_AT_EXIT = 1.0

_started: weakref.WeakSet[Mailbox] = weakref.WeakSet()


class Mailbox:
    """Makes calls in a thread of its own, which exists while there is something to call, and some seconds longer."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._changed = threading.Condition()
        self._calls: deque[Callable[[], object]] = deque()
        self._is_running = False
        self._is_busy = False

    def put(self, call: Callable[[], object]) -> bool:
        """Have something called later; return False where too much waits already. Never blocks."""
        with self._changed:
            if len(self._calls) >= _MOST:
                return False
            self._calls.append(call)
            if self._is_running:
                self._changed.notify_all()
                return True
            self._is_running = True
        _at_exit()
        _started.add(self)
        threading.Thread(target=self._work, name=f"cenote-hooks-{self._name}", daemon=True).start()
        return True

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is left to call; return False where that took too long."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._calls and not self._is_busy, timeout=max(seconds, 0.0))

    def _work(self) -> None:
        while (call := self._next()) is not None:
            try:
                call()
            except BaseException:  # nobody else would hear of it, and the next call is owed
                _log.exception("a call in thread %s failed", self._name)
            del call  # an idle thread keeps nothing alive

    def _next(self) -> Callable[[], object] | None:
        with self._changed:
            self._is_busy = False
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: self._calls, timeout=_LINGER):
                self._is_running = False  # within the lock: what is put from now on starts another thread
                return None
            self._is_busy = True
            return self._calls.popleft()


def flush(mailboxes: list[Mailbox], seconds: float) -> bool:
    """Wait until all are empty, at most so long in all; return whether they are."""
    end = time.monotonic() + seconds
    return all([mailbox.wait(end - time.monotonic()) for mailbox in mailboxes])


@cache
def _at_exit() -> None:
    """Give what still waits at the end of the process a moment: the threads are daemons, a hook may hang."""
    atexit.register(lambda: flush(list(_started), _AT_EXIT))
