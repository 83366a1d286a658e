"""What a `task` of Jina's bodies means to the served model: an adapter, a stored prompt or a role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cenote.errors import InvalidRequest
from cenote.server.models import ServedModel
from cenote.server.text import show

__all__ = ["task_fields"]

#: What this route does anyway, as `/pooling` calls it.
_NATIVE = "embed"
_ROLES: Mapping[str, str] = {"query": "query", "passage": "document", "document": "document"}


def task_fields(task: str, model: ServedModel) -> dict[str, Any]:
    """Return the native fields that a task stands for.

    A low-rank adapter of that name comes first, then a stored prompt, then the role that the name ends in.

    Raises:
        InvalidRequest: the model has nothing of this name.
    """
    if task in model.engine.lora_names:
        return {"lora": task}
    if task in model.engine.prompt_names:
        return {"prompt_name": task}
    role = _ROLES.get(task.rpartition(".")[2])
    if role is not None:
        return {"input_type": role}
    if task == _NATIVE:
        return {}
    known = dict.fromkeys((*model.engine.lora_names, *model.engine.prompt_names))
    raise InvalidRequest(
        f"This model has no task {show(task)}. It has {', '.join(known) or 'no tasks of its own'}; any model takes "
        "names that end in .query or .passage. Tasks such as classify are on /pooling.",
        param="task",
    )
