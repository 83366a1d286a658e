"""What `LLM.encode` returns for a processor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cenote.outputs import PoolingOutput

__all__ = ["ProcessedOutput"]


@dataclass(eq=False)
class ProcessedOutput(PoolingOutput):
    """The answer of an IO processor.

    Attributes:
        data: what its `post_process` returned.
        by_task: empty.
    """

    data: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ProcessedOutput) and bool(self.data == other.data)

    __hash__ = None

    def __repr__(self) -> str:
        return f"ProcessedOutput(data=<{type(self.data).__name__}>)"
