"""How stages end, by what ends them."""

from __future__ import annotations

import asyncio
import time

import pytest

from cenote.errors import EngineClosed, InvalidRequest, ProcessorBusy, ProcessorError, ProcessorRefusal
from cenote.io_processors.outcomes import outcome_of


@pytest.mark.parametrize(
    ("error", "outcome", "outcome_when_time_is_over"),
    [
        (None, "done", "done"),
        (ProcessorRefusal("no", plugin="a", status=400), "refused", "refused"),
        (InvalidRequest("too long"), "refused", "refused"),
        (ProcessorBusy("later", plugin="a", retry_after=1.0), "refused", "refused"),
        (ProcessorError("broken", plugin="a"), "failed", "failed"),
        (MemoryError(), "failed", "failed"),
        (TimeoutError(), "failed", "late"),
        (asyncio.CancelledError(), "cancelled", "late"),
        (EngineClosed("shut down"), "cancelled", "cancelled"),
    ],
)
def test_the_error_and_the_time_tell_the_outcome(
    error: BaseException | None, outcome: str, outcome_when_time_is_over: str
) -> None:
    assert outcome_of(error, None) == outcome
    assert outcome_of(error, time.monotonic() + 60) == outcome
    assert outcome_of(error, time.monotonic() - 1) == outcome_when_time_is_over
