"""What a plugin offers as a task or as a way of scoring is checked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cenote.scoring.base import check_scorer_type
from cenote.scoring.two_sided import DENSE, Dense
from cenote.tasks import Task
from cenote.tasks.base import check_task

TASK = Task(name="acme", grain="sequence", parameters=frozenset({"prompt"}), priority=90)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("acme", "a task is a cenote.tasks.Task, not str"),
        (replace(TASK, grain="word"), "the grain of a task is sequence or token, not 'word'"),  # type: ignore[arg-type]
        (replace(TASK, parameters="prompt"), "are a set of names, not 'prompt'"),  # type: ignore[arg-type]
        (replace(TASK, priority="high"), "is an integer, not 'high'"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_task_is_refused(wrong: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        check_task(wrong)
    assert message in str(caught.value)


class _Half:
    task = "embed"
    by_role = False

    def inputs(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Dense, "a scorer is an object; Dense is a class"),
        (object(), "a scorer names its task as a string, which object does not"),
        (_Half(), "a scorer has a method scores, which _Half has not"),
    ],
)
def test_what_is_no_scorer_is_refused(wrong: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        check_scorer_type(wrong)
    assert message in str(caught.value)


def test_what_is_right_passes() -> None:
    check_task(TASK)
    check_scorer_type(DENSE)
