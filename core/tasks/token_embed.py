"""`token_embed`: one vector per token."""

from __future__ import annotations

from cenote.tasks.base import Task

__all__ = ["TOKEN_EMBED"]

TOKEN_EMBED = Task(
    name="token_embed",
    grain="token",
    parameters=frozenset(
        {
            "dimensions",
            "use_activation",
            "step_tag_id",
            "returned_token_ids",
            "prompt_name",
            "prompt",
            "lora",
            "pool_factor",
        }
    ),
    priority=40,
)
