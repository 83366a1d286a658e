"""How long each stage of a call to the engine took."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

__all__ = ["CallClock"]


@dataclass(slots=True)
class CallClock:
    """When the stages of one call ended, in seconds of `time.perf_counter`; 0 is not yet.

    Attributes:
        begin: the call came.
        tokenized: its prompts were tokenised.
        started: the first batch with one of them began.
        ended: the last such batch ended.
    """

    begin: float = field(default_factory=time.perf_counter)
    tokenized: float = 0.0
    started: float = 0.0
    ended: float = 0.0

    @property
    def tokenizing(self) -> float:
        """Return the seconds until everything was tokenised."""
        return max(self.tokenized - self.begin, 0.0)

    @property
    def queueing(self) -> float:
        """Return the seconds that the call then waited for its first batch."""
        return max(self.started - self.tokenized, 0.0)

    @property
    def computing(self) -> float:
        """Return the seconds from its first batch to the end of its last one."""
        return max(self.ended - self.started, 0.0)

    def note_start(self, now: float) -> None:
        """Take note that a batch with one of the prompts begins."""
        if not self.started:
            self.started = now

    def note_end(self, now: float) -> None:
        """Take note that such a batch ended."""
        self.ended = now
