"""The comparison that every client's script makes notices what is wrong."""

from __future__ import annotations

import math
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

PLAN = runpy.run_path(str(Path(__file__).with_name("plan.py")))


@pytest.mark.parametrize(
    ("got", "expected", "largest"),
    [
        ([[1.0, 2.5]], [[1.0, 2.0]], 0.5),
        ((1, 2), [1, 2], 0.0),
        ([1.0, math.nan], [1.0, 2.0], math.inf),
        ([1.0], [1.0, 2.0], math.inf),
        ([["label", 0.5]], [["other", 0.5]], math.inf),
        (None, None, 0.0),
        ([], [], 0.0),
    ],
)
def test_the_largest_difference_counts(got: Any, expected: Any, largest: float) -> None:
    assert PLAN["difference"](got, expected) == largest


def test_wrong_results_exceptions_and_missing_refusals_are_problems() -> None:
    def refuses(plan: Any) -> None:
        raise ValueError("no")

    PLAN["refusal"]("refuses", ValueError)(refuses)
    PLAN["refusal"]("refuses otherwise", KeyError)(refuses)
    PLAN["refusal"]("does not refuse", ValueError)(lambda plan: None)
    PLAN["call"]("right")(lambda plan: ([1.0], [1.0]))
    PLAN["call"]("wrong")(lambda plan: ([1.0], [1.1]))
    PLAN["call"]("breaks")(refuses)
    lines = [PLAN["run"](SimpleNamespace(), title, function) for title, function in PLAN["CALLS"]]
    assert [line["call"] for line in lines if line["problem"] is None] == ["refuses", "right"]
