"""What a task is: its name, the grain of its result and the parameters it understands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

__all__ = ["Task", "check_task"]

_Grain = Literal["sequence", "token"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One kind of answer that a pooling model gives.

    Attributes:
        name: as users write it in `pooling_task=` and in HTTP bodies.
        grain: one result per prompt (`sequence`) or per token (`token`).
        parameters: fields of `PoolingParams` that mean something here; any other one set is an error.
        priority: the default task of a model is its supported one with the lowest number.
    """

    name: str
    grain: _Grain
    parameters: frozenset[str]
    priority: int


def check_task(value: Any) -> None:
    """Refuse what is no description of a task.

    Raises:
        TypeError: it is something else than a `Task`, or a field has a wrong type.
        ValueError: the grain is unknown.
    """
    if not isinstance(value, Task):
        raise TypeError(f"a task is a cenote.tasks.Task, not {type(value).__name__}")
    if value.grain not in get_args(_Grain):
        raise ValueError(f"the grain of a task is {' or '.join(get_args(_Grain))}, not {value.grain!r}")
    if isinstance(value.parameters, str) or not all(isinstance(name, str) for name in value.parameters):
        raise TypeError(f"the parameters of a task are a set of names, not {value.parameters!r}")
    if not isinstance(value.priority, int):
        raise TypeError(f"the priority of a task is an integer, not {value.priority!r}")
