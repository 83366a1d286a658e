"""`sparse_embed`: weighted terms of the vocabulary, most of them absent."""

from __future__ import annotations

from cenote.tasks.base import Task

__all__ = ["SPARSE_EMBED"]

SPARSE_EMBED = Task(
    name="sparse_embed",
    grain="sequence",
    parameters=frozenset({"prompt_name", "prompt", "lora"}),
    priority=30,
)
