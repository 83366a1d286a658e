"""One row per installed plugin, for people: what it is, whose it is, and whether it works."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from cenote.errors import PluginError, PluginIncompatible
from cenote.registry.candidates import GROUP, Candidate, check_api_version, check_spec
from cenote.registry.entry import Entry
from cenote.registry.patience import HANGS, PATIENCE, ImportHangs, PatientLoader
from cenote.registry.points import kind_of, point_of
from cenote.registry.problems import cause_of
from cenote.registry.record import Failure
from cenote.registry.rules import GROUP as RULES_GROUP
from cenote.registry.rules import check_rules
from cenote.registry.spec import API_VERSION, ArchitectureSpec
from cenote.registry.states import ACTIVE, DISCOVERED, FAILED, INCOMPATIBLE, State
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
        state: `discovered` (takes part, its code was not needed yet), `active` (its code was imported in this process
            without fault; of a spec, its adapter), `disabled`, `incompatible` or `failed`.
        detail: the cause of the last three states, or the one-line summary of a spec.
        reason: that cause in short, without anything of this machine: it may be shown to strangers.
        group: entry-point group.
    """

    name: str
    kind: str
    distribution: str
    version: str
    tasks: tuple[str, ...]
    architectures: tuple[str, ...]
    state: State
    detail: str
    reason: str
    group: str


@dataclass(frozen=True, slots=True)
class _Verdict:
    state: State
    detail: str = ""
    reason: str = ""


def list_plugins(registry: Registry | None = None, *, patience: float = PATIENCE) -> list[PluginRow]:
    """List everything installed.

    Specs and convert rules are imported, being free of torch; of other kinds only the package's presence is checked.

    Args:
        registry: where to look; None is the registry of this process.
        patience: seconds after which a module that is still being imported counts as broken.
    """
    registry = default_registry() if registry is None else registry
    loader = PatientLoader(registry, patience)
    rows = _spec_rows(registry, loader)
    for group in registry.groups():
        if group != GROUP:
            for entries in registry.entries(group).values():
                rows += [_row(entry, _judge(registry, loader, entry, entries)) for entry in entries]
    rows += [_row(found.entry, _Verdict(found.state, found.detail, found.reason)) for found in registry.rejections()]
    return sorted(rows, key=lambda row: (row.kind != "architecture", row.kind, row.name, row.distribution))


def _spec_rows(registry: Registry, loader: PatientLoader) -> list[PluginRow]:
    specs: dict[tuple[ArchitectureSpec, str], list[Entry]] = {}
    rows = []
    for entries in registry.entries(GROUP).values():
        for entry in entries:
            try:
                spec = loader.load(entry, check_spec)
            except PluginError as exc:
                rows.append(_row(entry, _failed(registry, entry, exc)))
            else:
                specs.setdefault((spec, entry.distribution), []).append(entry)
    return rows + [_spec_row(registry, spec, entries) for (spec, _), entries in specs.items()]


def _spec_row(registry: Registry, spec: ArchitectureSpec, entries: Sequence[Entry]) -> PluginRow:
    verdict = _spec_verdict(registry, spec, entries[0])
    names = tuple(sorted(entry.name for entry in entries))
    return _row(entries[0], verdict, name=spec.name, tasks=spec.tasks, architectures=names)


def _spec_verdict(registry: Registry, spec: ArchitectureSpec, entry: Entry) -> _Verdict:
    try:
        check_api_version(Candidate(spec, entry))
    except PluginIncompatible as exc:
        made_for = f"made for version {spec.api_version} of the adapter interface, found {API_VERSION}"
        return _Verdict(INCOMPATIBLE, str(exc), made_for)
    failure = registry.record.failure_at(GROUP, entry.distribution, spec.adapter)
    if failure is not None:
        return _of_failure(entry, failure)
    is_loaded = registry.record.is_loaded(GROUP, entry.distribution, spec.adapter)
    return _Verdict(ACTIVE if is_loaded else DISCOVERED, spec.summary)


def _judge(registry: Registry, loader: PatientLoader, entry: Entry, offers: Sequence[Entry]) -> _Verdict:
    if entry.group == RULES_GROUP:
        try:
            loader.load(entry, check_rules)
        except PluginError as exc:
            return _failed(registry, entry, exc)
    failure = registry.record.failure(entry)
    if failure is not None:
        return _of_failure(entry, failure)
    problem = _conflict(entry, offers) or _absence(entry)
    if problem is not None:
        return _Verdict(FAILED, problem, problem)
    is_loaded = entry.is_object or registry.record.is_loaded(entry.group, entry.distribution, entry.value)
    return _Verdict(ACTIVE if is_loaded else DISCOVERED)


def _failed(registry: Registry, entry: Entry, error: PluginError) -> _Verdict:
    if isinstance(error, ImportHangs):
        return _Verdict(FAILED, error.why, HANGS)
    failure = registry.record.failure(entry)
    if failure is None:  # forgotten meanwhile
        return _Verdict(FAILED, str(error), "it could not be loaded")
    return _of_failure(entry, failure)


def _of_failure(entry: Entry, failure: Failure) -> _Verdict:
    return _Verdict(FAILED, cause_of(entry, failure.cause), failure.reason)


def _conflict(entry: Entry, offers: Sequence[Entry]) -> str | None:
    point = point_of(entry.group)
    others = [other.source for other in offers if other is not entry]
    is_shared = point is not None and not point.unique
    if is_shared or not others:
        return None
    if set(others) == {entry.source}:
        return "its distribution offers the name several times"
    return f"conflict: {', '.join(others)} offers the same name"


def _absence(entry: Entry) -> str | None:
    # Only the top package is looked for: finding a submodule would import its parents.
    package = entry.value.partition(":")[0].partition(".")[0]
    is_there = entry.is_object or package in sys.modules or find_spec(package) is not None
    return None if is_there else f"there is no package {package!r}"


def _row(entry: Entry, verdict: _Verdict, **more: Any) -> PluginRow:
    values = {"name": entry.name, "tasks": (), "architectures": (), **more}
    return PluginRow(
        kind=kind_of(entry.group),
        distribution=entry.distribution,
        version=entry.version,
        state=verdict.state,
        detail=verdict.detail,
        reason=verdict.reason,
        group=entry.group,
        **values,
    )
