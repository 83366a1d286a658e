"""Ratios of a run against those that are committed, per kind of processor, and against bounds that hold everywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

__all__ = ["MARGIN", "MEMORY", "floor_of", "judged", "limit_of", "read", "slower", "written"]

#: Part of a ratio that may be missing: shared machines are that noisy.
MARGIN = 0.4
#: The name of the ratio of memory, which is not noisy, and the part of it that may be missing.
MEMORY, _MEMORY_MARGIN = "memory", 0.1
#: Settings that are fast on some kinds of processors only, and may be slower than float32 elsewhere.
_OPTIONAL = ("bfloat16", "int8")


def read(path: Path, kind: str) -> dict[str, float] | None:
    """Return the ratios of a kind of machine, or None where none are committed."""
    stored: dict[str, dict[str, float]] = json.loads(path.read_text())["ratios"] if path.is_file() else {}
    return stored.get(kind)


def floor_of(name: str) -> float:
    """Return the least ratio of a work on any machine: cenote is never slower or larger than plain transformers."""
    return 0.0 if name.endswith(_OPTIONAL) else 1.0


def limit_of(name: str, baseline: Mapping[str, float] | None) -> float:
    """Return the least ratio of a work: its baseline less the margin, or what holds everywhere if that is more."""
    margin = _MEMORY_MARGIN if name == MEMORY else MARGIN
    return max(floor_of(name), (baseline or {}).get(name, 0.0) * (1 - margin))


def slower(measured: Mapping[str, float], baseline: Mapping[str, float] | None) -> list[str]:
    """Return the names of works whose ratio lies below its limit, or that are missing."""
    names = dict.fromkeys([*measured, *(baseline or {})])
    return [name for name in names if measured.get(name, 0.0) < limit_of(name, baseline)]


def judged(measured: Mapping[str, float], baseline: Mapping[str, float] | None) -> list[tuple[str, str, str, str, str]]:
    """Return rows for a table: work, measured ratio, baseline, least ratio, verdict. Without a limit there is none."""
    late = set(slower(measured, baseline))
    return [
        (
            name,
            f"{measured[name]:.2f}" if name in measured else "",
            f"{baseline[name]:.2f}" if baseline and name in baseline else "",
            f"{limit_of(name, baseline):.2f}",
            "SLOWER" if name in late else "ok" if limit_of(name, baseline) else "not judged",
        )
        for name in dict.fromkeys([*measured, *(baseline or {})])
    ]


def written(text: str, kind: str, ratios: Mapping[str, float], date: str, machine: str) -> str:
    """Return the text of the baseline file with the ratios of one kind of machine replaced."""
    stored = json.loads(text) if text else {}
    ratios = {name: round(value, 2) for name, value in ratios.items()}
    return (
        json.dumps(
            {
                "about": "how many times as fast as plain transformers in float32 cenote was, or as small in memory",
                "ratios": {**stored.get("ratios", {}), kind: ratios},
                "measured": {**stored.get("measured", {}), kind: f"{date}, {machine}"},
            },
            indent=2,
        )
        + "\n"
    )
