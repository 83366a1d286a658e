"""Check what a request asks against what its task and the loaded model can do."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields

from cenote.errors import InvalidRequest, UnsupportedTask, WrongType
from cenote.registry import Registry, default_registry
from cenote.tasks.base import Task
from cenote.types import ModelLimits, PoolingParams

__all__ = ["check_dimensions", "check_params", "default_task", "get_task"]

_GROUP = "cenote.tasks"
_REMOVED = {"encode": "token_embed or token_classify"}
#: What makes a model capable of a task.
_HINTS = {
    "embed": " Try --convert embed.",
    "token_embed": " Try --convert embed.",
    "classify": " Try --convert classify.",
    "token_classify": " Try --convert classify.",
    "score": " Only a classifier with one label has it; LLM.score also scores with the vectors of an embedder.",
    "sparse_embed": " It needs a sparse model, such as SPLADE.",
    "plugin": " It needs an IO processor (--io-processor-plugin) and {'data': ...}, or a pooler that has it.",
}


def get_task(name: str | None, supported: Collection[str], registry: Registry | None = None) -> Task:
    """Return the task of this name, provided that the model supports it.

    Raises:
        UnsupportedTask: no name, an unknown one, or one that the model cannot do.
    """
    offered = ", ".join(sorted(supported))
    if name is not None and not isinstance(name, str):
        raise WrongType(f"The task must be a name, not {name!r:.80}.", param="pooling_task")
    if name is None:
        raise UnsupportedTask(f"No task was named. This model can do: {offered}.", param="pooling_task")
    if name in supported:
        task = (registry or default_registry()).get(_GROUP, name)
        assert isinstance(task, Task)
        return task
    if name in _REMOVED:
        raise UnsupportedTask(
            f"Task {name!r} was removed; use {_REMOVED[name]}. This model can do: {offered}.", param="task"
        )
    hint = _HINTS.get(name, "")
    raise UnsupportedTask(f"This model cannot do task {name!r:.80}. It can do: {offered}.{hint}", param="task")


def default_task(
    supported: Collection[str],
    preferred: str | None = None,
    registry: Registry | None = None,
    *,
    architectures: Collection[str] = (),
) -> str:
    """Return the task that a request without one means; a class that labels tokens means `token_classify`.

    Source: vLLM 0.32 for the names of the classes.

    Raises:
        UnsupportedTask: `preferred` is not supported.
    """
    if preferred is not None:
        return get_task(preferred, supported, registry).name
    if "token_classify" in supported and any("ForTokenClassification" in name for name in architectures):
        return "token_classify"
    return min(supported, key=lambda name: get_task(name, supported, registry).priority)


def check_params(
    task: Task, params: PoolingParams, limits: ModelLimits, model: str, *, also: Sequence[Task] = ()
) -> None:
    """Check the parameters of one request.

    Args:
        task: the task asked for.
        params: the caller's parameters.
        limits: facts of the loaded model.
        model: name of the model in messages.
        also: further tasks of the same request; a parameter must mean something for one of them.

    Raises:
        InvalidRequest: a parameter means nothing for this task, contradicts it, or has a wrong value.
    """
    if params.task is not None and params.task != task.name:
        raise InvalidRequest(f"The parameters are for task {params.task!r}, the call is {task.name!r}.", param="task")
    understood = task.parameters.union(*(other.parameters for other in also))
    for item in fields(params):
        if item.name != "task" and getattr(params, item.name) is not None and item.name not in understood:
            raise InvalidRequest(f"{item.name} means nothing for task {task.name!r}.", param=item.name)
    for name in ("step_tag_id", "returned_token_ids"):
        if getattr(params, name) is not None and task.name != "plugin" and limits.token_pooling != "STEP":
            text = f"{name} means something with STEP pooling only; this model pools {limits.token_pooling}."
            raise InvalidRequest(text, param=name)
    if params.prompt is not None and params.prompt_name is not None:
        raise InvalidRequest("Give prompt or prompt_name, not both.", param="prompt")
    if params.dimensions is not None:
        check_dimensions(params.dimensions, limits, model)


def check_dimensions(dimensions: int, limits: ModelLimits, model: str) -> None:
    """Check a matryoshka size: only for models that declare it, and only the sizes they declare.

    Raises:
        InvalidRequest: the model was not trained for it, or the size is not one it offers.
    """
    if not limits.is_matryoshka:
        raise InvalidRequest(
            f'Model "{model}" does not support matryoshka representation, '
            "changing output dimensions will lead to poor results.",
            param="dimensions",
        )
    sizes = limits.matryoshka_dimensions
    if sizes and dimensions not in sizes:
        offered = ", ".join(str(size) for size in sizes)
        raise InvalidRequest(f"dimensions must be one of {offered}, not {dimensions}.", param="dimensions")
    if not 1 <= dimensions <= limits.embedding_size:
        raise InvalidRequest(
            f"dimensions must be from 1 to {limits.embedding_size}, not {dimensions}.", param="dimensions"
        )
