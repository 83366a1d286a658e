"""Counters of an engine."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EngineStats"]


@dataclass(frozen=True, slots=True)
class EngineStats:
    """A snapshot. A long text that runs in parts counts as so many prompts.

    Attributes:
        forwards: forward passes run so far.
        tokens: tokens that went through them; no padding is counted.
        requests: prompts answered so far, failures included.
        running: prompts in the forward under way.
        waiting: prompts that wait for one, those of servers whose media are loaded among them.
        waiting_tokens: their tokens, which are unknown as long as media are loaded.
        busy_seconds: time of all forward passes and of pooling.
    """

    forwards: int = 0
    tokens: int = 0
    requests: int = 0
    running: int = 0
    waiting: int = 0
    waiting_tokens: int = 0
    busy_seconds: float = 0.0
