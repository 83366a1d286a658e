"""How fast a model computes here, and so how much work may be in one step while somebody waits for little."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Pace"]

#: Seconds that a step should take at most while short requests wait, or came recently.
_STEP_SECONDS = 0.025
#: Seconds for which steps stay short after such a request: whoever asks once will ask again.
_RECENT_SECONDS = 5.0
#: Weight of a new measurement.
_WEIGHT = 0.25
#: Cost of a short step where nothing was measured yet: 256 tokens take under 25 ms of a small model.
_FIRST_COST = 256.0


class Pace:
    """Measures cost per second, and bounds steps by it. Not thread safe; the engine holds its lock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Know nothing yet.

        Args:
            clock: seconds that only grow.
        """
        self._clock = clock
        self._rate = 0.0
        self._hurried_until = float("-inf")

    @property
    def short_step(self) -> float:
        """Return the cost of a step of about 25 ms."""
        return self._rate * _STEP_SECONDS if self._rate else _FIRST_COST

    @property
    def is_hurried(self) -> bool:
        """Tell whether short requests came recently."""
        return self._clock() < self._hurried_until

    def note_short(self) -> None:
        """Take note that a short request came."""
        self._hurried_until = self._clock() + _RECENT_SECONDS

    def note_step(self, cost: float, seconds: float) -> None:
        """Learn from a step.

        What a small step takes depends little on its size, so it counts only where it was faster than what is known.
        A rate is never seen too high, hence the jump upwards.

        Args:
            cost: of its prompts.
            seconds: that it took.
        """
        if seconds <= 0:
            return
        rate = cost / seconds
        if rate > self._rate > 0:
            self._rate = rate
        elif seconds >= _STEP_SECONDS / 2 or cost >= self.short_step / 2:
            self._rate += (rate - self._rate) * (_WEIGHT if self._rate else 1.0)
