"""Tokenising threads give way to short requests, since both want the same cores and Python's lock.

The operators of a step share their work among threads that wait for one another. Where a tokenising thread takes a
core away from one of them, each of the many regions of a step waits for the scheduler: 3 ms of a short text became
120 ms on two cores. Tokenising is little of what a bulk job takes, and can wait.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from ctypes import c_int32
from typing import Protocol

__all__ = ["LightWork", "RightOfWay"]

#: Seconds that a pause takes at most, and for which nobody pauses after it: so nothing starves.
_PAUSE_SECONDS = 0.025
_TURN_SECONDS = 0.025
#: Seconds after which a pausing thread looks again: nobody wakes it, since that would cost the short requests time.
_LOOK_SECONDS = 0.001


class LightWork(Protocol):
    """Who has short requests."""

    def run_light(self) -> None:
        """Run a short step of those that wait."""


class RightOfWay:
    """Whose short requests wait or run, and pauses while there are any. Thread safe.

    Attributes:
        flag: 1 while there are any, else 0.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nobody.

        Args:
            clock: seconds that only grow.
        """
        self.flag = c_int32(0)
        self._clock = clock
        self._changing = threading.Lock()
        self._holders: set[LightWork] = set()
        self._turn_ends = float("-inf")

    @property
    def is_held(self) -> bool:
        """Tell whether a short request waits or runs."""
        return bool(self._holders)

    def note(self, holder: LightWork, *, holds: bool) -> None:
        """Take note of whether an engine has short requests that wait or run."""
        if holds == (holder in self._holders):
            return
        with self._changing:
            (self._holders.add if holds else self._holders.discard)(holder)
            self.flag.value = bool(self._holders)

    def run_light(self) -> None:
        """Run a short step of each engine whose short requests wait; only the thread that computes may."""
        for holder in tuple(self._holders):
            holder.run_light()

    def give(self, left: threading.Event) -> None:
        """Pause while a short request waits or runs, unless threads have paused just now.

        Args:
            left: set once nobody wants the work of this thread any more; ends the pause.
        """
        if not self._holders or (now := self._clock()) < self._turn_ends:
            return
        end = now + _PAUSE_SECONDS
        while self._holders and now < end and not left.wait(_LOOK_SECONDS):
            now = self._clock()
        self._turn_ends = now + _TURN_SECONDS
