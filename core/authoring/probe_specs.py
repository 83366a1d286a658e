"""Looking at a spec, and trying the code that it names; runs in the process that `process.py` starts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from cenote.authoring.steps import Report, Step
from cenote.errors import CenoteError, PluginError, PluginIncompatible
from cenote.registry.candidates import GROUP, Candidate, check_api_version
from cenote.registry.entry import BUILT_IN_DISTRIBUTION, Entry, canonical_name
from cenote.registry.loading import load_object
from cenote.registry.names import nearest
from cenote.registry.resolve import ResolvedAdapter, load_adapter, resolve_adapter
from cenote.registry.spec import ArchitectureSpec
from cenote.registry.store import default_registry

__all__ = ["look_at_spec", "try_spec"]

#: Kinds of input that a spec may name.
_MODALITIES = ("text", "image", "audio", "video")


def look_at_spec(step: Step, spec: ArchitectureSpec) -> Iterator[Report]:
    """Compare a well-formed spec with what is known of names, tasks, modalities and versions."""
    yield _found("api version", _version(step, spec), f"it is {spec.api_version}")
    yield _found("architectures", _names(step, spec), "each has an entry point")
    yield from _rivals(step, spec)
    tasks = default_registry().names("cenote.tasks")
    yield _found("tasks", _unknown("tasks", spec.tasks, tasks), ", ".join(spec.tasks))
    yield _found("modalities", _unknown("modalities", spec.modalities, _MODALITIES), ", ".join(spec.modalities))


def try_spec(step: Step, spec: ArchitectureSpec) -> Iterator[Report]:
    """Import the adapter and the other code that a spec names, and build its look-alike checkpoint."""
    yield {"at": f"importing {spec.adapter.partition(':')[0]}"}
    yield _found("adapter", _adapter(step, spec), spec.adapter)
    if spec.config_repair is not None:
        yield {"at": f"importing {spec.config_repair.partition(':')[0]}"}
        yield _found("config_repair", _function(spec.config_repair), spec.config_repair)
    if spec.lookalike is not None:
        yield {"at": f"running {spec.lookalike}"}
        yield _found("lookalike", _lookalike(spec, spec.lookalike), f"what {spec.lookalike} writes is served by it")


def _found(check: str, problem: str | None, good: str) -> Report:
    if problem is None:
        return {"check": check, "outcome": "passed", "text": good}
    return {"check": check, "outcome": "failed", "text": problem}


def _version(step: Step, spec: ArchitectureSpec) -> str | None:
    entry = Entry(step.group, step.names[0], step.value, step.distribution, step.version)
    try:
        check_api_version(Candidate(spec, entry))
    except PluginIncompatible as exc:
        return str(exc)
    return None


def _names(step: Step, spec: ArchitectureSpec) -> str | None:
    unnamed, absent = set(step.names) - set(spec.architectures), set(spec.architectures) - set(step.names)
    if unnamed:
        return f"{', '.join(sorted(unnamed))} is an entry point, but not among architectures of the spec; add it there"
    if absent:
        return f"architectures of the spec has {', '.join(sorted(absent))}, for which there is no entry point; add one"
    return None


def _rivals(step: Step, spec: ArchitectureSpec) -> Iterator[Report]:
    """Say what of a spec belongs to a built-in, which stays what models get that nothing else tells apart."""
    if canonical_name(step.distribution) == BUILT_IN_DISTRIBUTION:
        return
    registry = default_registry()
    own = {name: entry for name, found in registry.entries(GROUP).items() for entry in found if entry.is_built_in}
    if spec.name in {registry.load(entry).name for entry in own.values()}:
        yield _found("spec name", f"a built-in is called {spec.name!r} too; choose another name", "")
    claimed = [name for name in step.names if name in own]
    if claimed and not spec.markers:
        text = f"{', '.join(claimed)} has a built-in; without markers this spec is taken where --adapter names it"
        yield {"check": "markers", "outcome": "not run", "text": text}


def _unknown(field: str, given: tuple[str, ...], known: tuple[str, ...]) -> str | None:
    if not given:
        return f"the spec names no {field}"
    strange = [name for name in given if name not in known]
    return f"{field} has {strange[0]!r}, which is unknown; known: {nearest(strange[0], known)}" if strange else None


def _adapter(step: Step, spec: ArchitectureSpec) -> str | None:
    chosen = ResolvedAdapter(
        spec=spec,
        architecture=step.names[0],
        distribution=step.distribution,
        version=step.version,
        runner="pooling",
        convert="none",
        reason="",
    )
    try:
        load_adapter(chosen, default_registry())
    except PluginError as exc:
        cause = exc.__cause__
        return str(exc) if cause is None else f"{spec.adapter} cannot be used: {type(cause).__name__}: {cause}"
    return None


def _function(target: str) -> str | None:
    try:
        value = load_object(target)
    except BaseException as exc:  # a plugin's own code runs there
        return f"{target} cannot be imported: {type(exc).__name__}: {exc}"
    return None if callable(value) else f"{target} is no function"


def _lookalike(spec: ArchitectureSpec, target: str) -> str | None:
    problem = _function(target)
    if problem is not None:
        return problem
    from cenote.checkpoints import open_checkpoint

    with tempfile.TemporaryDirectory(prefix="cenote-check-") as folder:
        try:
            facts = open_checkpoint(str(load_object(target)(Path(folder) / "lookalike")))
            chosen = resolve_adapter(facts, architectures=facts.architectures, model_type=facts.model_type)
        except CenoteError as exc:
            return f"what {target} writes cannot be loaded: {exc}"
        except BaseException as exc:  # a plugin's own code runs there
            return f"{target} failed: {type(exc).__name__}: {exc}"
    return None if chosen.spec == spec else f"what {target} writes is served by another spec: {chosen.reason}"
