"""`embed`: one vector per prompt."""

from __future__ import annotations

from cenote.tasks.base import Task

__all__ = ["EMBED"]

EMBED = Task(
    name="embed",
    grain="sequence",
    parameters=frozenset({"dimensions", "use_activation", "prompt_name", "prompt", "lora"}),
    priority=20,
)
