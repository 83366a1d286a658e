"""Write the generated tables of README.md and docs/ from specs, the family table and the server's settings.

Run by `make docs`; tests/test_docs.py fails when a file is not in step.
"""

from __future__ import annotations

import csv
import json
import re
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from cenote.adapters.families import FAMILIES
from cenote.config.server import ServerConfig
from cenote.registry import PluginRow, list_plugins
from cenote.testing.bench import table
from cenote.testing.checkpoints import STATIC, family
from cenote.testing.goldens import ROWS

__all__ = ["documents", "main"]

ROOT = Path(__file__).resolve().parents[1]


def documents() -> dict[Path, str]:
    """Return what each file with generated parts must hold."""
    blocks = {
        "specs": _specs(),
        "packed": _packed(),
        "padded": _padded(),
        "architectures": _architectures(),
        "verified": _verified(),
        "server": _server_variables(),
        **_any_architecture(),
    }
    pages = [ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in ("models", "architectures", "environment"))]
    return {page: _filled(page.read_text(), blocks) for page in pages}


def main() -> None:
    """Write the files that differ."""
    for path, text in documents().items():
        if path.read_text() != text:
            path.write_text(text)
            print(f"wrote {path.relative_to(ROOT)}")


def _filled(text: str, blocks: dict[str, str]) -> str:
    """Replace what stands between `<!-- generated: NAME -->` and `<!-- end -->`."""

    def block(match: re.Match[str]) -> str:
        return f"<!-- generated: {match[1]} -->\n{blocks[match[1]]}\n<!-- end -->"

    return re.sub(r"<!-- generated: (\w+) -->\n.*?<!-- end -->", block, text, flags=re.DOTALL)


def _spec_rows() -> list[PluginRow]:
    """Return the specs of this repository's distributions; others may be installed beside them."""
    files = [ROOT / "pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml")]
    own = {tomllib.loads(path.read_text())["project"]["name"] for path in files}
    return [row for row in list_plugins() if row.kind == "architecture" and row.distribution in own]


def _specs() -> str:
    rows = [
        [f"`{row.name}`", row.distribution, ", ".join(f"`{task}`" for task in row.tasks), row.detail]
        for row in _spec_rows()
    ]
    return _table(["spec", "distribution", "tasks", "what it runs"], rows)


def _architectures() -> str:
    rows = [
        [f"`{name}`", f"`{row.name}`", row.distribution]
        for row in _spec_rows()
        for name in row.architectures
        if not name.startswith("convert:")
    ]
    return _table(["architecture", "spec", "distribution"], sorted(rows))


def _verified() -> str:
    """List the golden rows, then the families of transformers that only the check at load looks after."""
    lines = csv.DictReader((ROOT / "tests" / "goldens" / "settings.csv").read_text().splitlines())
    tasks = {line["row"]: ", ".join(f"`{task}`" for task in line["tasks"].split(", ")) for line in lines}
    rows = [[row.title, tasks[row.name], row.stands_for, row.reference, f"golden `{row.name}`"] for row in ROWS]
    covered = {_model_type(row.family) for row in ROWS if row.family not in STATIC}
    rest = [family.title for name, family in FAMILIES.items() if name not in covered]
    rows += [[title, "as their specs", "", "transformers", "check at load"] for title in rest]
    return _table(["model", "tasks", "published like it", "reference library", "verified by"], rows)


def _model_type(family_name: str) -> str | None:
    chosen = family(family_name)
    model_type: str | None = chosen.config(chosen.tokenizer()).get("model_type")
    return _RETAGGED.get(model_type or "", model_type)


def _packed() -> str:
    rows = [
        [family.title, f"`{name}`", _POSITIONS[family.positions]] for name, family in FAMILIES.items() if family.packs
    ]
    return _table(["family", "`model_type`", "positions"], rows)


def _padded() -> str:
    rows = [[family.title, f"`{name}`", family.reason] for name, family in FAMILIES.items() if not family.packs]
    return _table(["family", "`model_type`", "why not packed"], rows)


def _any_architecture() -> dict[str, str]:
    """Return the blocks about the classes of transformers' auto maps, as `scripts/architectures.py` found them."""
    found = json.loads((ROOT / "tests" / "conformance" / "architectures.json").read_text())
    tasks = [name for name in found if name != "other"]
    counts = {name: Counter(row["execution"] for row in found[name].values()) for name in tasks}
    kinds = ["packed", "padded", "equal lengths", "alone", "refused"]
    summary = [[kind, *(str(counts[name][kind]) for name in tasks)] for kind in kinds]
    blocks = {"any_counts": _table(["how", *(f"`{name}`" for name in tasks)], summary)}
    for name in tasks:
        rows = [
            [f"`{key}`", f"`{row['model_type']}`", row["execution"], _why(row.get("reason", ""))]
            for key, row in found[name].items()
        ]
        blocks[f"any_{name}"] = _table(["class", "`model_type`", "how", "why"], rows)
    others = [f"* {reason}: {', '.join(f'`{name}`' for name in names)}" for reason, names in found["other"].items()]
    return {**blocks, "any_other": "\n".join(others)}


def _why(reason: str) -> str:
    """Leave out what the columns before say already, the error behind an error, and the advice."""
    reason = reason.partition(" does not run packed: ")[2] or reason
    reason = reason.removesuffix("; padding changes its results, so that only equal lengths run together")
    reason = re.sub(r"^\w+ cannot be run by the generic adapter \(\w+: (.*)\)\. .*", r"\1", reason)
    reason = re.sub(r"^\w+ (is made of .*?|has no table .*?)( \(.*|\. Install .*)", r"\1", reason)
    return reason.replace("|", "\\|")


def _server_variables() -> str:
    entry = re.compile(r"^ {8}(\w+): (.+?)(?=^ {8}\w+: |^\s*$|\Z)", re.MULTILINE | re.DOTALL)
    meanings = {name: " ".join(text.split()) for name, text in entry.findall(ServerConfig.__doc__ or "")}
    rows = [
        [
            f"`CENOTE_{name.upper()}`",
            f"`{json.dumps(field.default)}`" if field.default is not None else "unset",
            meanings[name],
        ]
        for name, field in ServerConfig.model_fields.items()
    ]
    return _table(["variable", "default", "effect"], rows)


#: Published `model_type`s that stand for one of transformers.
_RETAGGED = {"new": "gte"}
_POSITIONS = {"from_zero": "from 0", "after_padding": "after the padding id"}


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a Markdown table whose columns are all text."""
    return table(header, rows, align="l" * len(header))


if __name__ == "__main__":
    main()
