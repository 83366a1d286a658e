"""What was made of media, kept for the next prompt that has the same."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from copy import copy
from typing import Any, Protocol, TypeVar, cast

from cenote.errors import CenoteError

__all__ = ["MediaCache", "Sized"]


class Sized(Protocol):
    """Something that knows its size, such as an array of numpy."""

    @property
    def nbytes(self) -> int:
        """Bytes of memory that it holds."""


T = TypeVar("T", bound=Sized)


class MediaCache:
    """Values by key, the least recently used one thrown out first. Used from several threads.

    Threads that ask for the same key at the same time get one value that one of them makes. Values are shared, so that
    nobody may change them.

    Attributes:
        queries: how often something was asked for.
        hits: how often it was there already, or about to be made by another thread.
    """

    def __init__(self, max_bytes: int) -> None:
        """Make an empty cache.

        Args:
            max_bytes: of all values together; a value that is larger is not kept, and with 0 none is.
        """
        self.queries = 0
        self.hits = 0
        self._max_bytes = max_bytes
        self._held = 0
        self._kept: OrderedDict[str, Sized] = OrderedDict()
        self._underway: dict[str, Future[Any]] = {}
        self._lock = threading.Lock()

    def get(self, key: str, make: Callable[[], T]) -> T:
        """Return the value of a key, made where there is none yet.

        Args:
            key: names the value, and everything that it depends on.
            make: makes it; called in this thread, and not while other threads are kept from asking. It must not ask
                for the same key itself.

        Raises:
            Exception: what `make` raises, in every thread that waits for this value; it is not kept.
        """
        with self._lock:
            self.queries += 1
            if key in self._kept:
                self.hits += 1
                self._kept.move_to_end(key)
                return cast("T", self._kept[key])
            answer = self._underway.get(key)
            is_maker = answer is None
            if answer is None:
                answer = self._underway[key] = Future()
            else:
                self.hits += 1
        if is_maker:
            self._make(key, answer, make)
        failure = None if is_maker else answer.exception()
        if isinstance(failure, CenoteError):
            raise copy(failure) from failure  # each thread adds to its own which prompt is to blame
        return cast("T", answer.result())

    def clear(self) -> None:
        """Forget all values, those that are being made included; who waits for them gets them."""
        with self._lock:
            self._kept.clear()
            self._underway.clear()
            self._held = 0

    def _make(self, key: str, answer: Future[Any], make: Callable[[], Sized]) -> None:
        try:
            value = make()
        except BaseException as exc:  # whatever it is, others wait for it
            with self._lock:
                self._forget(key, answer)
            answer.set_exception(exc)
            return
        with self._lock:
            if self._forget(key, answer):
                self._keep(key, value)
        answer.set_result(value)

    def _forget(self, key: str, answer: Future[Any]) -> bool:
        """Take a value off the list of those underway; False where it was cleared meanwhile."""
        is_wanted = self._underway.get(key) is answer
        if is_wanted:
            del self._underway[key]
        return is_wanted

    def _keep(self, key: str, value: Sized) -> None:
        if value.nbytes > self._max_bytes or not self._max_bytes:
            return
        self._kept[key] = value
        self._held += value.nbytes
        while self._held > self._max_bytes:
            _, dropped = self._kept.popitem(last=False)
            self._held -= dropped.nbytes
