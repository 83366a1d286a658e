"""`classify`: one value per label and prompt."""

from __future__ import annotations

from cenote.tasks.base import Task

__all__ = ["CLASSIFY"]

CLASSIFY = Task(
    name="classify",
    grain="sequence",
    parameters=frozenset({"use_activation", "prompt_name", "prompt", "lora"}),
    priority=30,
)
