"""`score`: what a one-label classifier says of a pair; `classify` under the name that scoring uses."""

from __future__ import annotations

from cenote.tasks.base import Task

__all__ = ["SCORE"]

SCORE = Task(
    name="score",
    grain="sequence",
    parameters=frozenset({"use_activation", "prompt_name", "prompt", "lora", "extra_kwargs"}),
    priority=35,
)
