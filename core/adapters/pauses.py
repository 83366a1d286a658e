"""Pauses between the layers of a forward that takes long, for work that somebody waits for.

A text of hundreds of tokens takes hundreds of milliseconds in a large model, and cannot be cut. What waits meanwhile
and is little work runs between two of its layers instead, in the same thread: a second one would bring a second team of
OpenMP threads. So a model runs again while it runs already. Its method `forward` says with `reentrant` that it allows
this; what a class overrides without saying so is never interrupted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from ctypes import c_int32
from math import ceil
from typing import Any, TypeVar

from cenote.kernels.interrupt import Interrupt

__all__ = ["Pauses", "is_reentrant", "reentrant", "with_pauses"]

F = TypeVar("F", bound=Callable[..., Any])

_current: ContextVar[Pauses | None] = ContextVar("pauses", default=None)


def reentrant(forward: F) -> F:
    """Mark a method `forward` that keeps nothing on the model while it runs, so that it may be called meanwhile."""
    forward.is_reentrant = True  # type: ignore[attr-defined]
    return forward


def is_reentrant(model: Any) -> bool:
    """Tell whether a model's own `forward` is marked with `reentrant`."""
    return bool(getattr(getattr(model, "forward", None), "is_reentrant", False))


class Pauses:
    """Pauses of one batch, where somebody waits.

    Attributes:
        seconds: what they took so far.
    """

    def __init__(self, flag: c_int32, run: Callable[[], None], clock: Callable[[], float] = time.perf_counter) -> None:
        """Take what to do.

        Args:
            flag: not 0 while somebody waits.
            run: called in a pause, in which there are no further ones.
            clock: seconds that only grow.
        """
        self._clock = clock
        self._flag = flag
        self._run = run
        self.seconds = 0.0
        #: What layers took beside pauses, and how many the deepest forward had.
        self._layer_seconds = 0.0
        self._layers = 0

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Let models that run in the block pause."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def between(self, layers: int, run: Callable[[int, Interrupt | None], int]) -> None:
        """Run layers as `with_pauses` does. After a pause they run for about as long as it took before the next one."""
        self._layers = max(self._layers, layers)
        first, least = 0, 1
        while first < layers:
            begin = self._clock()
            place = run(first, Interrupt(self._flag, least))
            took = self._clock() - begin
            self._layer_seconds += took
            if place < layers:
                least = ceil(self._pause() / max(took / (place - first), 1e-6))
            first = place

    def parts(self, seconds: float) -> float:
        """Return how many times as long as what nothing can interrupt the batch is, at least 1.

        That is one layer, or everything beside layers where it takes longer: heads over a vocabulary do.

        Args:
            seconds: of the batch, without pauses.
        """
        if not self._layers:
            return 1.0
        longest = max(self._layer_seconds / self._layers, seconds - self._layer_seconds)
        return max(seconds / longest, 1.0) if longest > 0 else float(self._layers)

    def _pause(self) -> float:
        begin = self._clock()
        token = _current.set(None)
        try:
            self._run()
        finally:
            _current.reset(token)
            took = self._clock() - begin
            self.seconds += took
        return took


def with_pauses(layers: int, run: Callable[[int, Interrupt | None], int]) -> None:
    """Run the layers of a model, with pauses where the engine allows them.

    Args:
        layers: how many there are.
        run: runs them from one on, until all have run or the interrupt is due, and returns which is next.
    """
    pauses = _current.get()
    if pauses is None:
        run(0, None)
    else:
        pauses.between(layers, run)
