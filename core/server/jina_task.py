"""What a `task` of Jina's bodies means to the served model: an adapter, a stored prompt or a role."""

from __future__ import annotations

from typing import Any

from cenote.errors import InvalidRequest
from cenote.server.models import ServedModel
from cenote.server.roles import named_role
from cenote.server.text import show
from cenote.types import Role

__all__ = ["check_task_role", "task_fields"]

#: What this route does anyway, as `/pooling` calls it.
_NATIVE = "embed"


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
    role = named_role(task)
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


def check_task_role(task: str | None, role: Role | None) -> None:
    """Refuse an `input_type` beside a task that is not for such inputs: it would have no effect.

    Args:
        task: of the body, or None.
        role: what `input_type` says.

    Raises:
        InvalidRequest: as said.
    """
    if task not in (None, _NATIVE) and role not in (None, named_role(task)):
        text = f"task is {show(task)} and input_type is {role}, which contradict each other; send one of them."
        raise InvalidRequest(text, param="input_type")
