"""Run a tiny model of every text class of transformers' auto maps, and write down how each one runs.

Run by `make architectures` after a new version of transformers, or after a change of what runs packed.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from cenote.testing.architectures import Architecture, architectures, run_architecture

__all__ = ["TABLE", "main"]

TABLE = Path(__file__).resolve().parents[1] / "tests" / "conformance" / "architectures.json"


def main() -> None:
    """Write the table, and say which classes are new or changed."""
    before = json.loads(TABLE.read_text()).get("text", {}) if TABLE.exists() else {}
    found = architectures()
    text = {item.name: _row(item) for item in found if not item.foreign}
    foreign: dict[str, list[str]] = {}
    for item in found:
        if item.foreign:
            foreign.setdefault(item.foreign, []).append(item.name)
    for name in sorted({*before, *text}):
        if before.get(name) != text.get(name):
            print(f"{name}: {before.get(name)} -> {text.get(name)}")
    rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in text.items())
    others = ",\n".join(f"  {json.dumps(reason)}: {json.dumps(foreign[reason])}" for reason in sorted(foreign))
    TABLE.write_text(f'{{\n "text": {{\n{rows}\n }},\n "other": {{\n{others}\n }}\n}}\n')


def _row(architecture: Architecture) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        outcome = run_architecture(architecture, Path(folder))
    if outcome.difference > 2e-5:
        print(f"{architecture.name} differs by {outcome.difference:.1e}", file=sys.stderr)
    row = {"model_type": architecture.model_type, "execution": outcome.execution}
    return row | ({"reason": outcome.reason} if outcome.reason else {})


if __name__ == "__main__":
    main()
