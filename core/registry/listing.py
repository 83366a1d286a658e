"""One row per installed plugin, for people: what it is, whose it is, and whether it works."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from cenote.errors import PluginError, PluginIncompatible
from cenote.registry.candidates import GROUP, Candidate, check_api_version, check_spec
from cenote.registry.entry import GROUPS, Entry, entry_problem
from cenote.registry.patience import PatientLoader
from cenote.registry.rules import GROUP as RULES_GROUP
from cenote.registry.rules import check_rules
from cenote.registry.spec import ArchitectureSpec
from cenote.registry.store import Registry, default_registry

__all__ = ["PluginRow", "list_plugins"]


@dataclass(frozen=True, slots=True)
class PluginRow:
    """What a listing shows of one plugin.

    Attributes:
        name: name of the spec, or of the entry point.
        kind: what it offers, such as `architecture` or `kernel`.
        distribution: who offers it.
        version: version of that distribution.
        tasks: tasks of a spec; empty for other kinds.
        architectures: names under which a spec is registered; empty for other kinds.
        state: `ok`, `disabled`, `incompatible` or `error`.
        detail: the cause of a state other than `ok`, or the one-line summary of a spec.
    """

    name: str
    kind: str
    distribution: str
    version: str
    tasks: tuple[str, ...]
    architectures: tuple[str, ...]
    state: str
    detail: str


def list_plugins(
    registry: Registry | None = None,
    *,
    reserved: Mapping[str, frozenset[str]] | None = None,
    patience: float = 10.0,
) -> list[PluginRow]:
    """List everything installed.

    Specs and convert rules are imported, being free of torch; of other kinds only the package's presence is checked.

    Args:
        registry: where to look; None is the registry of this process.
        reserved: per group, names that plugins may not take.
        patience: seconds after which a module that is still being imported counts as broken.
    """
    registry = default_registry() if registry is None else registry
    loader = PatientLoader(registry, patience)
    rows = _spec_rows(registry, loader)
    for group in registry.groups():
        if group != GROUP:
            taken = (reserved or {}).get(group, frozenset())
            for entries in registry.entries(group).values():
                rows += [_entry_row(loader, entry, entries, taken) for entry in entries]
    rows += [_row(entry, "disabled", why) for entry, why in registry.blocked()]
    return sorted(rows, key=lambda row: (row.kind != "architecture", row.kind, row.name, row.distribution))


def _spec_rows(registry: Registry, loader: PatientLoader) -> list[PluginRow]:
    specs: dict[tuple[ArchitectureSpec, str], list[Entry]] = {}
    rows = []
    for entries in registry.entries(GROUP).values():
        for entry in entries:
            try:
                spec = loader.load(entry, check_spec)
            except PluginError as exc:
                rows.append(_row(entry, "error", _cause(exc)))
            else:
                specs.setdefault((spec, entry.distribution), []).append(entry)
    return rows + [_spec_row(spec, entries) for (spec, _), entries in specs.items()]


def _spec_row(spec: ArchitectureSpec, entries: Sequence[Entry]) -> PluginRow:
    state, detail = "ok", spec.summary
    try:
        check_api_version(Candidate(spec, entries[0]))
    except PluginIncompatible as exc:
        state, detail = "incompatible", str(exc)
    names = tuple(sorted(entry.name for entry in entries))
    return _row(entries[0], state, detail, name=spec.name, tasks=spec.tasks, architectures=names)


def _entry_row(loader: PatientLoader, entry: Entry, offers: Sequence[Entry], taken: frozenset[str]) -> PluginRow:
    problem = None
    if entry.name in taken:
        problem = "the name belongs to a built-in, which a plugin may not replace"
    elif entry.group == RULES_GROUP:
        try:
            loader.load(entry, check_rules)
        except PluginError as exc:
            problem = _cause(exc)
    else:
        problem = _malformed(entry) or _conflict(entry, offers) or _absence(entry)
    return _row(entry, "ok" if problem is None else "error", problem or "")


def _malformed(entry: Entry) -> str | None:
    return entry_problem(entry.group, entry.name, None if entry.is_object else entry.value)


def _conflict(entry: Entry, offers: Sequence[Entry]) -> str | None:
    others = [other.source for other in offers if other is not entry]
    return f"{', '.join(others)} offers the same name" if others else None


def _absence(entry: Entry) -> str | None:
    # Only the top package is looked for: finding a submodule would import its parents.
    package = entry.value.partition(":")[0].partition(".")[0]
    is_there = entry.is_object or package in sys.modules or find_spec(package) is not None
    return None if is_there else f"there is no package {package!r}"


def _cause(error: PluginError) -> str:
    cause = error.__cause__
    return str(error) if cause is None else f"{type(cause).__name__}: {cause}"


def _row(entry: Entry, state: str, detail: str, **more: Any) -> PluginRow:
    values = {"name": entry.name, "tasks": (), "architectures": (), **more}
    kind = GROUPS.get(entry.group, entry.group)
    return PluginRow(
        kind=kind, distribution=entry.distribution, version=entry.version, state=state, detail=detail, **values
    )
