"""What a run is held against, per kind of processor: committed ratios and ways, and bounds that hold everywhere."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

__all__ = [
    "MARGINS",
    "MEMORY",
    "OVER_TEXTS",
    "Baseline",
    "failed",
    "floor_of",
    "judged",
    "limit_of",
    "other_ways",
    "read",
    "refreshed",
    "slower",
    "with_new",
    "written",
]

#: The least and the largest part of a ratio that may be missing: what repeated measurements differ by, twice, between.
MARGINS = (0.2, 0.35)
#: The names of the ratios of memory, which are not noisy, and the part of them that may be missing.
MEMORY, OVER_TEXTS = "memory", "memory over texts"
_MEMORY_MARGIN = 0.1
#: Settings that are fast on some kinds of processors only, and may be slower than float32 elsewhere.
_OPTIONAL = ("bfloat16", "int8")
#: A server does more than the other side, which is asked in process.
_UNBOUND = ("server",)


@dataclass(slots=True)
class Baseline:
    """What is committed for one kind of processor.

    Attributes:
        ratios: as `Measured` has them.
        margins: the part of each ratio that may be missing.
        ways: as `Measured` has them.
        measured: the day and the machine of the ratios.
    """

    ratios: dict[str, float] = field(default_factory=dict)
    margins: dict[str, float] = field(default_factory=dict)
    ways: dict[str, str] = field(default_factory=dict)
    measured: str = ""


def read(path: Path, kind: str) -> Baseline:
    """Return what is committed for a kind of machine; empty where nothing is."""
    stored = json.loads(path.read_text())["kinds"] if path.is_file() else {}
    return Baseline(**stored.get(kind, {}))


def written(text: str, kind: str, baseline: Baseline) -> str:
    """Return the text of the baseline file with one kind of machine replaced."""
    kinds = json.loads(text)["kinds"] if text else {}
    about = (
        "ratios: how many times as fast as plain transformers in float32 cenote was, or as small in memory; margins: "
        "the part of each that may be missing; ways: how cenote computes, which must be the same"
    )
    return json.dumps({"about": about, "kinds": {**kinds, kind: asdict(baseline)}}, indent=2) + "\n"


def refreshed(passes: Sequence[Mapping[str, float]], ways: Mapping[str, str], measured: str) -> Baseline:
    """Make a baseline of repeated measurements: their medians, and margins from how far they lie apart."""
    values = {name: [each[name] for each in passes] for name in passes[0]}
    ratios = {name: statistics.median(found) for name, found in values.items()}
    margins = {name: _margin(2 * (max(found) - min(found)) / ratios[name]) for name, found in values.items()}
    margins |= dict.fromkeys((MEMORY, OVER_TEXTS), _MEMORY_MARGIN)
    return Baseline(
        {name: round(value, 2) for name, value in ratios.items()},
        {name: round(margins[name], 2) for name in ratios},
        dict(ways),
        measured,
    )


def with_new(baseline: Baseline, found: Baseline) -> Baseline:
    """Return a baseline with figures of another one for works that it has none for, and their days."""
    new = [name for name in found.ratios if name not in baseline.ratios]
    if not baseline.ways:
        return found
    if not new:
        return baseline
    return replace(
        baseline,
        measured=f"{baseline.measured}; {', '.join(new)}: {found.measured}" if baseline.ratios else found.measured,
        ratios={**baseline.ratios, **{name: found.ratios[name] for name in new}},
        margins={**baseline.margins, **{name: found.margins[name] for name in new}},
    )


def _margin(apart: float) -> float:
    return min(max(apart, MARGINS[0]), MARGINS[1])


def floor_of(name: str) -> float:
    """Return the least ratio of a work on any machine: cenote is never slower or larger than plain transformers."""
    return 0.0 if name.endswith(_OPTIONAL) or name.startswith((*_UNBOUND, OVER_TEXTS)) else 1.0


def limit_of(name: str, baseline: Baseline) -> float:
    """Return the least ratio of a work: its baseline less the margin, or what holds everywhere if that is more."""
    margin = baseline.margins.get(name, MARGINS[1])
    return max(floor_of(name), baseline.ratios.get(name, 0.0) * (1 - margin))


def slower(measured: Mapping[str, float], baseline: Baseline) -> list[str]:
    """Return the names of works whose ratio lies below its limit, or that are missing."""
    names = dict.fromkeys([*measured, *baseline.ratios])
    return [name for name in names if measured.get(name, 0.0) < limit_of(name, baseline)]


def other_ways(found: Mapping[str, str], baseline: Baseline) -> list[str]:
    """Return in words what cenote computes in another way than the baseline's, whatever the machine's load.

    Which 16-bit products torch's own library has depends on more than the kind of processor: these are not compared.
    """
    return [
        f"{name}: {found.get(name, 'nothing')}; before: {way}"
        for name, way in baseline.ways.items()
        if found.get(name) != way and not (name.endswith("bfloat16") and "linear:cpu" in way)
    ]


def failed(late: Sequence[str], changed: Sequence[str], *, tell: bool) -> bool:
    """Tell whether a check fails.

    Args:
        late: as `slower` gives them.
        changed: as `other_ways` gives them, which fail always.
        tell: speed is told and not judged, memory is judged all the same.
    """
    return bool(changed) or bool({*late} & {MEMORY, OVER_TEXTS} if tell else late)


def judged(measured: Mapping[str, float], baseline: Baseline) -> list[tuple[str, str, str, str, str]]:
    """Return rows for a table: work, measured ratio, baseline, least ratio, verdict. Without a limit there is none."""
    late = set(slower(measured, baseline))
    return [
        (
            name,
            f"{measured[name]:.2f}" if name in measured else "",
            f"{baseline.ratios[name]:.2f}" if name in baseline.ratios else "",
            f"{limit_of(name, baseline):.2f}",
            "SLOWER" if name in late else "ok" if limit_of(name, baseline) else "not judged",
        )
        for name in dict.fromkeys([*measured, *baseline.ratios])
    ]
