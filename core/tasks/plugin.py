"""`plugin`: whatever the model's own pooler or an IO processor makes of the hidden states."""

from __future__ import annotations

from cenote.tasks.base import Task

__all__ = ["PLUGIN"]

#: Any parameter may mean something to a plugin, so none is refused.
PLUGIN = Task(
    name="plugin",
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
            "extra_kwargs",
        }
    ),
    priority=60,
)
