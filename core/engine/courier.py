"""Results on their way from the computing thread to an event loop: one wake-up for all calls that a batch ends."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from cenote.engine.request import EngineRequest

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["held_back", "when_settled"]


class _Held(threading.local):
    """The couriers that wait for the end of a block of this thread; None outside of one."""

    couriers: set[_Courier] | None = None


_held = _Held()
_couriers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Courier] = weakref.WeakKeyDictionary()


class _Courier:
    """Has functions called in an event loop. Waking a loop is a system call, and a change of threads."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = weakref.ref(loop)
        self._calls: deque[Callable[[], None]] = deque()

    def post(self, call: Callable[[], None]) -> None:
        """Have a function called; from any thread."""
        self._calls.append(call)
        if _held.couriers is None:
            self.go()
        else:
            _held.couriers.add(self)

    def go(self) -> None:
        loop = self._loop()
        if loop is None or loop.is_closed():  # nobody is left who could be told
            self._calls.clear()
            return
        try:
            loop.call_soon_threadsafe(self._deliver)
        except RuntimeError:  # closed just now
            self._calls.clear()

    def _deliver(self) -> None:
        while self._calls:
            self._calls.popleft()()


@contextmanager
def held_back() -> Iterator[None]:
    """Wake event loops at the end of the block, once each, for all that is settled in it by this thread."""
    _held.couriers = couriers = set[_Courier]()
    try:
        yield
    finally:
        _held.couriers = None
        for courier in couriers:
            courier.go()


def when_settled(requests: Sequence[EngineRequest], *, until_failure: bool) -> asyncio.Future[None]:
    """Return a future of the running event loop that ends when all requests are settled.

    Args:
        requests: of one call.
        until_failure: end as soon as one has failed and all before it are settled, too.
    """
    loop = asyncio.get_running_loop()
    courier = _couriers.get(loop)
    if courier is None:
        courier = _couriers[loop] = _Courier(loop)
    end: asyncio.Future[None] = loop.create_future()
    if requests:
        _Countdown(requests, partial(courier.post, partial(_finish, end)), until_failure=until_failure)
    else:
        end.set_result(None)
    return end


def _finish(end: asyncio.Future[None]) -> None:
    if not end.done():  # else its task was cancelled
        end.set_result(None)


class _Countdown:
    """Waits for requests. Kept alive by the callbacks of their futures."""

    def __init__(self, requests: Sequence[EngineRequest], done: Callable[[], None], *, until_failure: bool) -> None:
        self._requests = requests
        self._done = done
        self._until_failure = until_failure
        self._left = len(requests)
        self._failed = False
        self._lock = threading.Lock()
        for request in requests:
            request.future.add_done_callback(self._note)

    def _note(self, future: Future[dict[str, Tensor]]) -> None:
        with self._lock:
            self._left -= 1
            self._failed |= future.cancelled() or future.exception() is not None
            ended = not self._left or (self._until_failure and self._failed and self._has_led_to_failure())
        if ended:
            self._done()

    def _has_led_to_failure(self) -> bool:
        for request in self._requests:
            if not request.future.done():
                return False
            if request.future.cancelled() or request.future.exception() is not None:
                return True
        return False
