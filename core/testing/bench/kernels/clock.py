"""How long a call takes, on the processor or on a GPU, which computes behind the caller's back."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

__all__ = ["seconds_of", "take_turns"]

#: Seconds that one measurement takes at least, by repeating short calls.
_ROUND = 0.02
#: Repetitions at most: a queue of a GPU holds some hundred launches.
_MOST = 200


def take_turns(calls: Sequence[Callable[[], Any]], device: str, rounds: int) -> list[float]:
    """Return the median seconds of each call, measured in the order A B C, A B C, ..., after a first call of each."""
    repeats = []
    for call in calls:
        call()  # compiles, allocates, fills caches
        repeats.append(max(1, min(_MOST, int(_ROUND / max(_once(call, device, 1), 1e-7)))))
    seconds: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, repeat, taken in zip(calls, repeats, seconds, strict=True):
            taken.append(_once(call, device, repeat))
    return [statistics.median(taken) for taken in seconds]


def seconds_of(call: Callable[[], Any], device: str, rounds: int = 3) -> float:
    """Return the median seconds of a call."""
    return take_turns([call], device, rounds)[0]


def _once(call: Callable[[], Any], device: str, repeat: int) -> float:
    _wait(device)
    begin = time.perf_counter()
    for _ in range(repeat):
        call()
    _wait(device)
    return (time.perf_counter() - begin) / repeat


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
