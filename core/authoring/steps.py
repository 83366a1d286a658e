"""What is to be tried of a distribution in another process, as plain data that both processes understand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from cenote.authoring.installed import subject_of
from cenote.registry.entry import ARCHITECTURES, Entry
from cenote.registry.points import short_name

__all__ = ["LIGHT", "Report", "Step", "plan", "spoils"]

#: What the other process says of a step, one line each: `{"at": what comes next}`, `{"check", "outcome", "text"}`,
#: `{"kit": text of a test class}`, or `{"done": True}`.
Report: TypeAlias = dict[str, Any]

#: Groups whose targets are imported in processes that shall stay small: to list plugins and to choose among specs.
LIGHT = frozenset({ARCHITECTURES, "cenote.convert_rules"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One target, to be imported and looked at, or to have its code tried.

    Attributes:
        stage: `import` or `code`.
        subject: what findings call it.
        group: entry-point group.
        value: the target.
        names: all entry points with that target.
        distribution: who offers it.
        version: the same.
    """

    stage: str
    subject: str
    group: str
    value: str
    names: tuple[str, ...]
    distribution: str
    version: str

    @property
    def target(self) -> tuple[str, str]:
        """What is imported, and as what."""
        return self.group, self.value

    @property
    def module(self) -> str:
        """The module in which the target is."""
        return self.value.partition(":")[0]


def plan(entries: Sequence[Entry]) -> list[Step]:
    """Return the steps for well-formed entries, each target once.

    What must be light comes first: only then can be seen what it imports. Code that loads torch comes last.
    """
    targets: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        targets.setdefault((entry.group, entry.value), []).append(entry)
    imports = [_step("import", offers) for offers in targets.values()]
    imports.sort(key=lambda step: step.group not in LIGHT)
    return [*imports, *(_step("code", offers) for offers in targets.values())]


def spoils(report: Report) -> bool:
    """Tell whether a target is of no use after this: it cannot be imported, or is not what its group wants."""
    return report.get("outcome") == "failed" and report["check"] in ("import", "interface", "api version")


def _step(stage: str, offers: Sequence[Entry]) -> Step:
    first = offers[0]
    return Step(
        stage=stage,
        subject=subject_of(first) if len(offers) == 1 else f"{short_name(first.group)}/{first.value}",
        group=first.group,
        value=first.value,
        names=tuple(entry.name for entry in offers),
        distribution=first.distribution,
        version=first.version,
    )
