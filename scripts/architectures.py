"""Run a tiny model of every text class of transformers' auto maps, and write down how each one runs.

Run by `make architectures` after a new version of transformers, or after a change of what runs packed.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from cenote.testing.architectures import Architecture, architectures, classifiers, run_architecture

__all__ = ["TABLE", "main"]

TABLE = Path(__file__).resolve().parents[1] / "tests" / "conformance" / "architectures.json"


def main() -> None:
    """Write the table, and say which classes are new or changed."""
    sections = {"token_embed": architectures()} | {task: classifiers(task) for task in ("classify", "token_classify")}
    before = json.loads(TABLE.read_text()) if TABLE.exists() else {}
    table: dict[str, dict[str, object]] = {}
    for task, classes in sections.items():
        rows = {item.name: _row(item, task) for item in classes if not item.foreign}
        old = before.get(task, {})
        for name in sorted({*old, *rows}):
            if old.get(name) != rows.get(name):
                print(f"{name}: {old.get(name)} -> {rows.get(name)}")
        table[task] = dict(rows)
    table["other"] = {}
    for item in sorted({item for classes in sections.values() for item in classes}, key=lambda item: item.name):
        if item.foreign:
            names = table["other"].setdefault(item.foreign, [])
            assert isinstance(names, list)
            names.append(item.name)
    TABLE.write_text(_one_line_per_row(table))


def _row(architecture: Architecture, task: str) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        outcome = run_architecture(architecture, Path(folder), task)
    if outcome.difference > 2e-5:
        print(f"{architecture.name} differs by {outcome.difference:.1e}", file=sys.stderr)
    row = {"model_type": architecture.model_type, "execution": outcome.execution}
    return row | ({"reason": outcome.reason} if outcome.reason else {})


def _one_line_per_row(table: dict[str, dict[str, object]]) -> str:
    sections = []
    for name, rows in table.items():
        lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(rows[key])}" for key in sorted(rows))
        sections.append(f" {json.dumps(name)}: {{\n{lines}\n }}")
    return "{\n" + ",\n".join(sections) + "\n}\n"


if __name__ == "__main__":
    main()
