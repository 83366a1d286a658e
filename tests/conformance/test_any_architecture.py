"""Every text class of transformers' auto maps runs exactly, or is refused with a reason.

The maps are those of base models, causal language models, sequence classifiers and token classifiers.
`architectures.json` says how each class runs; `make architectures` writes it, and `docs/architectures.md` shows it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cenote.testing.architectures import Architecture, architectures, classifiers, run_architecture

TABLE: dict[str, Any] = json.loads((Path(__file__).parent / "architectures.json").read_text())
TASKS = ("token_embed", "classify", "token_classify")
CLASSES = [(name, task) for task in TASKS for name in TABLE[task]]

#: What single classes warn about when a tiny model of them is built or saved.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")


@pytest.mark.parametrize("task", TASKS)
def test_every_class_of_the_auto_maps_is_listed(task: str) -> None:
    found = architectures() if task == "token_embed" else classifiers(task)
    assert {item.name for item in found if not item.foreign} == set(TABLE[task]), "run: make architectures"
    listed = {(reason, name) for reason, names in TABLE["other"].items() for name in names}
    assert {(item.foreign, item.name) for item in found if item.foreign} <= listed, "run: make architectures"


@pytest.mark.parametrize(("name", "task"), CLASSES, ids=[name for name, _ in CLASSES])
def test_numbers_are_those_of_the_class_itself(name: str, task: str, tmp_path: Path) -> None:
    row = TABLE[task][name]
    outcome = run_architecture(Architecture(name=name, model_type=row["model_type"]), tmp_path, task)
    assert outcome.execution == row["execution"], outcome.reason
    assert outcome.difference <= 2e-5


@pytest.mark.parametrize("task", TASKS)
def test_refusals_say_what_to_do(task: str) -> None:
    reasons = [row["reason"] for row in TABLE[task].values() if row["execution"] == "refused"]
    assert all("Install a plugin" in reason or "files are incomplete" in reason for reason in reasons)
