"""`token_classify`: one value per label and token, or per step of a process reward model."""

from __future__ import annotations

from cenote.tasks.base import Task

__all__ = ["TOKEN_CLASSIFY"]

TOKEN_CLASSIFY = Task(
    name="token_classify",
    grain="token",
    parameters=frozenset({"use_activation", "step_tag_id", "returned_token_ids", "prompt_name", "prompt", "lora"}),
    priority=50,
)
