"""What a task is: its name, the grain of its result and the parameters it understands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Task"]


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
    grain: Literal["sequence", "token"]
    parameters: frozenset[str]
    priority: int
