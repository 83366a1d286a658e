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
from typing import Any, TypeVar

__all__ = ["Pauses", "is_reentrant", "pieces", "reentrant"]

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
    """Pauses of one forward.

    Attributes:
        seconds: what they took so far.
    """

    def __init__(self, pieces: int, run: Callable[[], None]) -> None:
        """Take what to do.

        Args:
            pieces: in how many pieces the layers are run.
            run: called between two of them, in which there are no further pauses.
        """
        self._pieces = pieces
        self._run = run
        self.seconds = 0.0

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Let models that run in the block pause."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def ranges(self, count: int) -> Iterator[tuple[int, int]]:
        """Give the first layer and the one behind the last of each piece, and pause between two pieces."""
        number = max(1, min(self._pieces, count))
        for piece in range(number):
            if piece:
                self._pause()
            yield count * piece // number, count * (piece + 1) // number

    def _pause(self) -> None:
        begin = time.perf_counter()
        token = _current.set(None)
        try:
            self._run()
        finally:
            _current.reset(token)
            self.seconds += time.perf_counter() - begin


def pieces(count: int) -> Iterator[tuple[int, int]]:
    """Give the ranges of layers in which so many are run: one, or several with pauses between them."""
    pauses = _current.get()
    return iter(((0, count),)) if pauses is None else pauses.ranges(count)
