"""How long the stages of one inference request took, for metrics and traces."""

from __future__ import annotations

import time
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from cenote.engine.observer import CallClock

__all__ = ["Stages", "stages_of"]

_KEY = "stages"


@dataclass(slots=True)
class Stages:
    """What the engine was asked for one HTTP request, and when its stages ended.

    Attributes:
        model: served name of the model.
        task: the task, `score` for pairs.
        clock: stages inside of the engine, in seconds of `time.perf_counter`.
        answered: the engine's results were there; 0 where there are none.
        items: results.
        tokens: what they were computed on.
    """

    model: str
    task: str
    clock: CallClock = field(default_factory=CallClock)
    answered: float = 0.0
    items: int = 0
    tokens: int = 0

    def keep(self, scope: MutableMapping[str, Any]) -> None:
        """Leave this with the request, for who measures it."""
        scope.setdefault("state", {})[_KEY] = self

    def note_answer(self, items: int, tokens: int) -> None:
        """Take note that the results are there: what follows is the writing of the answer."""
        self.answered, self.items, self.tokens = time.perf_counter(), items, tokens


def stages_of(scope: Mapping[str, Any]) -> Stages | None:
    """Return the stages of a request, or None where it asked nothing of an engine."""
    found: Stages | None = scope.get("state", {}).get(_KEY)
    return found
