"""What a `task` of Jina's bodies means to the served model: an adapter, a stored prompt or a role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cenote.errors import InvalidRequest
from cenote.server.models import ServedModel
from cenote.server.text import show
from cenote.types import Role

__all__ = ["check_task_role", "task_fields"]

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


def check_task_role(name: str | None, role: Role | None, *, has_task: bool) -> None:
    """Refuse an `input_type` that a task, or an adapter named as the model, contradicts: it would have no effect.

    Args:
        name: of the task or the adapter, or None.
        role: what `input_type` says.
        has_task: it is a task, which always says what inputs are for; the names of adapters may say nothing of it.

    Raises:
        InvalidRequest: as said.
    """
    if name is None or role is None:
        return
    said = _ROLES.get(name.rpartition(".")[2])
    if said == role or (said is None and not has_task) or name == _NATIVE:
        return
    what = "task" if has_task else "model"
    text = f"{what} is {show(name)} and input_type is {role}, which contradict each other; send one of them."
    raise InvalidRequest(text, param="input_type")
