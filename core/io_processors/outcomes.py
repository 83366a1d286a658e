"""How a stage of a request ended, for whoever counts: a plugin that is broken is not a client that is wrong."""

from __future__ import annotations

import asyncio
import time
from typing import Literal, TypeAlias

from cenote.errors import EngineClosed, InvalidRequest, QueueFull

__all__ = ["Outcome", "outcome_of"]

#: `refused`: the data, or the request at this time; `late`: the request's time ran out; `cancelled`: whoever asked is
#: gone, or the engine is shut down; `failed`: all else.
Outcome: TypeAlias = Literal["done", "refused", "failed", "late", "cancelled"]

#: Seconds by which timers may go off too early.
_SLACK = 0.01


def outcome_of(error: BaseException | None, deadline: float | None) -> Outcome:
    """Return how a stage ended that raised an error, or None.

    Args:
        error: what ended it.
        deadline: time of `time.monotonic` at which a request's time runs out, or None.
    """
    if error is None:
        return "done"
    if isinstance(error, InvalidRequest | QueueFull):
        return "refused"
    is_over = deadline is not None and time.monotonic() >= deadline - _SLACK
    if is_over and isinstance(error, asyncio.CancelledError | TimeoutError):
        return "late"
    gone = (asyncio.CancelledError, EngineClosed, GeneratorExit, KeyboardInterrupt)
    return "cancelled" if isinstance(error, gone) else "failed"
