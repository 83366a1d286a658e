"""Every text class of transformers' base and causal-LM auto maps runs exactly, or is refused with a reason.

`architectures.json` says how each one runs; `make architectures` writes it, and `docs/architectures.md` shows it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cenote.testing.architectures import Architecture, architectures, run_architecture

TABLE: dict[str, Any] = json.loads((Path(__file__).parent / "architectures.json").read_text())
TEXT: dict[str, dict[str, str]] = TABLE["text"]

#: What single classes warn about when a tiny model of them is built or saved.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")


def test_every_class_of_the_auto_maps_is_listed() -> None:
    found = architectures()
    assert {item.name for item in found if not item.foreign} == set(TEXT), "run: make architectures"
    listed = {name: reason for reason, names in TABLE["other"].items() for name in names}
    assert {item.name: item.foreign for item in found if item.foreign} == listed, "run: make architectures"


@pytest.mark.parametrize("name", TEXT)
def test_hidden_states_are_those_of_the_class_itself(name: str, tmp_path: Path) -> None:
    row = TEXT[name]
    outcome = run_architecture(Architecture(name=name, model_type=row["model_type"]), tmp_path)
    assert outcome.execution == row["execution"], outcome.reason
    assert outcome.difference <= 2e-5


def test_refusals_say_what_to_do() -> None:
    reasons = [row["reason"] for row in TEXT.values() if row["execution"] == "refused"]
    assert all("Install a plugin" in reason or "files are incomplete" in reason for reason in reasons)
