"""What every client's script shares: the addresses, the numbers of the offline API, and how results are compared.

A script runs in its client's own environment, so this file needs the standard library alone.
"""

from __future__ import annotations

import json
import math
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

#: Largest absolute difference of a number. Texts may run in other batches than offline, hence in other kernels.
TOLERANCE = 2e-5

CALLS: list[tuple[str, Callable[[Any], Any]]] = []


def call(title: str) -> Callable[[Callable[[Any], tuple[Any, Any]]], None]:
    """Register a function of the plan that returns what the client gave, and what the offline API gives."""

    def register(function: Callable[[Any], tuple[Any, Any]]) -> None:
        CALLS.append((title, function))

    return register


def refusal(title: str, kind: type[BaseException]) -> Callable[[Callable[[Any], Any]], None]:
    """Register a function of the plan in which the client must raise this error, and no other."""

    def register(function: Callable[[Any], Any]) -> None:
        def compare(plan: Any) -> tuple[Any, Any]:
            try:
                function(plan)
            except Exception as exc:
                return type(exc).__name__, kind.__name__
            return "no error", kind.__name__

        CALLS.append((title, compare))

    return register


def difference(got: Any, expected: Any) -> float:
    """Return the largest absolute difference of two nested lists of numbers; infinity where anything else differs."""
    if isinstance(expected, (int, float)) and not isinstance(expected, bool):
        off = abs(float(got) - float(expected))
        return math.inf if math.isnan(off) else off
    if isinstance(expected, (list, tuple)):
        items = list(got)
        if len(items) != len(expected):
            return math.inf
        return max((difference(one, other) for one, other in zip(items, expected, strict=True)), default=0.0)
    return 0.0 if got == expected else math.inf


def run(plan: Any, title: str, function: Callable[[Any], tuple[Any, Any]]) -> dict[str, Any]:
    """Return one line of the report."""
    try:
        got, expected = function(plan)
        off = difference(got, expected)
    except Exception:
        return {"call": title, "difference": None, "problem": traceback.format_exc(limit=-3)[-2000:]}
    problem = None if off <= TOLERANCE else f"differs by {off}: {str(got)[:300]} instead of {str(expected)[:300]}"
    return {"call": title, "difference": off if math.isfinite(off) else None, "problem": problem}


def main() -> None:
    """Run every call on the plan in the file of the first argument, and print the report as JSON."""
    plan = json.loads(Path(sys.argv[1]).read_text(), object_hook=lambda found: SimpleNamespace(**found))
    print("\n" + json.dumps([run(plan, title, function) for title, function in CALLS]))
