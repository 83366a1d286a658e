"""Checks of what a distribution's metadata says; nothing of it is imported."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from cenote.authoring.findings import Finding, Findings, Outcome
from cenote.authoring.installed import Installed, is_near_group, subject_of
from cenote.authoring.naming import core_requirement
from cenote.registry.entry import BUILT_IN_DISTRIBUTION, GROUPS, Entry, canonical_name, entry_problem
from cenote.registry.metadata import needed_range
from cenote.registry.points import FOREIGN, point_of
from cenote.registry.versions import find_mismatch

__all__ = ["check_metadata"]


def check_metadata(
    installed: Installed, others: Iterable[Installed], reserved: Mapping[str, frozenset[str]]
) -> Findings:
    """Check one distribution.

    Args:
        installed: what its metadata says.
        others: all that are installed, itself included.
        reserved: per group, names that plugins may not take.
    """

    def found(check: str, problem: str | None, good: str, entry: Entry | None = None) -> Finding:
        outcome: Outcome = "passed" if problem is None else "failed"
        subject = "" if entry is None else subject_of(entry)
        text = good if problem is None else problem
        return Finding(distribution=installed.name, subject=subject, check=check, outcome=outcome, text=text)

    yield found("metadata", _unreadable(installed), f"version {installed.version}")
    if installed.problem is not None:
        return
    yield found("requirement", _requirement(installed), "it allows this cenote")
    for package, problem in _packages(installed):
        yield found("types", problem, f"{package} has py.typed")
    if installed.project is not None:
        yield found("installation", _stale(installed, installed.project), "entry points are those of pyproject.toml")
    others = list(others)
    for entry in installed.entries:
        problem = _entry(entry)
        yield found("entry point", problem, entry.value, entry)
        if problem is None and _is_unique(entry):
            yield found("name", _taken(entry, others, reserved), "nobody else has it", entry)


def _unreadable(installed: Installed) -> str | None:
    if installed.problem is not None:
        return f"it cannot be read: {installed.problem}. Install the distribution again"
    if not installed.entries:
        return f"it offers nothing to cenote. Add entry points of one of the groups {', '.join(GROUPS)}"
    return None


def _requirement(installed: Installed) -> str | None:
    from cenote import __version__

    if canonical_name(installed.name) == BUILT_IN_DISTRIBUTION:
        return None
    advice = f'Write "{core_requirement()}" into dependencies of pyproject.toml'
    try:
        needs = needed_range(installed.requires)
        mismatch = find_mismatch(needs, __version__)
    except ValueError as exc:
        return f"its requirement of cenote cannot be read: {exc}. {advice}"
    if not needs:
        return f"it does not say which cenote it is written for. {advice}"
    return None if mismatch is None else f"it {mismatch}. {advice}"


def _packages(installed: Installed) -> Iterator[tuple[str, str | None]]:
    """Yield each package in which targets are, and what is wrong with its types."""
    for package in dict.fromkeys(entry.value.partition(":")[0].partition(".")[0] for entry in installed.entries):
        try:
            spec = find_spec(package) if package.isidentifier() else None
        except (ImportError, ValueError):
            spec = None
        if spec is None or not spec.submodule_search_locations:
            continue  # absent, which importing tells; or a single module, which has no place for the file
        if not any((Path(folder) / "py.typed").is_file() for folder in spec.submodule_search_locations):
            yield package, f"type checkers ignore {package}: add an empty file py.typed to it, and to package-data"
        else:
            yield package, None


def _stale(installed: Installed, project: Path) -> str | None:
    """Compare the metadata with the file that it was made of; where that has no table of entry points, nothing is said.

    Other tools than setuptools keep them elsewhere, and a project may compute them.
    """
    import tomllib

    try:
        with (project / "pyproject.toml").open("rb") as file:
            groups = tomllib.load(file).get("project", {}).get("entry-points")
        if groups is None:
            return None
        written = {(group, name): value for group, points in groups.items() for name, value in points.items()}
    except (OSError, tomllib.TOMLDecodeError, AttributeError) as exc:
        return f"pyproject.toml of the editable installation cannot be read: {exc}"
    known = {(entry.group, entry.name): entry.value for entry in installed.entries}
    written = {key: value.partition("[")[0].strip() for key, value in written.items() if is_near_group(key[0])}
    changed = sorted(f"{group} {name}" for group, name in {key for key, _ in written.items() ^ known.items()})
    if not changed:
        return None
    return f"pyproject.toml has other entry points ({', '.join(changed)}); run pip install -e {project} again"


def _entry(entry: Entry) -> str | None:
    if entry.group not in GROUPS and entry.group not in FOREIGN:
        near = difflib.get_close_matches(entry.group.lower().replace("_", "."), GROUPS, n=1, cutoff=0.0)
        return f"there is no group {entry.group!r}; the nearest one is {near[0]!r}"
    return entry_problem(entry.group, entry.name, entry.value)


def _is_unique(entry: Entry) -> bool:
    """Tell whether the name belongs to one distribution; elsewhere markers, orders or listeners tell offers apart."""
    point = point_of(entry.group)
    return point is None or point.unique


def _taken(entry: Entry, others: Iterable[Installed], reserved: Mapping[str, frozenset[str]]) -> str | None:
    if entry.name in reserved.get(entry.group, frozenset()):
        return "the name belongs to a built-in, which a plugin may not replace; choose another one"
    if sum(_same(entry, offer) for other in others if other.name == entry.distribution for offer in other.entries) > 1:
        return "this distribution offers the name twice; take one of the entry points out"
    rivals = {other.name for other in others for offer in other.entries if _same(entry, offer)} - {entry.distribution}
    return f"{', '.join(sorted(rivals))} offers the same name; choose another one" if rivals else None


def _same(entry: Entry, other: Entry) -> bool:
    return (entry.group, entry.name) == (other.group, other.name)
