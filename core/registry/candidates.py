"""Choosing among the specs that claim one architecture string."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cenote.errors import PluginError, PluginIncompatible, UnknownPlugin
from cenote.registry.entry import ARCHITECTURES, Entry, canonical_name
from cenote.registry.markers import check_marker, marker_holds
from cenote.registry.names import nearest
from cenote.registry.patience import PatientLoader
from cenote.registry.problems import conflict
from cenote.registry.spec import API_VERSION, ArchitectureSpec, CheckpointFacts
from cenote.registry.states import DISABLED, Rejection
from cenote.registry.store import Registry

__all__ = [
    "GROUP",
    "Candidate",
    "Verdict",
    "best_candidate",
    "check_api_version",
    "check_spec",
    "named_candidate",
    "verdicts",
]

_log = logging.getLogger(__name__)

GROUP = ARCHITECTURES


@dataclass(frozen=True, slots=True)
class Candidate:
    """A spec and who offers it."""

    spec: ArchitectureSpec
    entry: Entry


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a candidate for one architecture name fits a checkpoint.

    Attributes:
        name: the name that was looked up.
        candidate: the spec, and who offers it.
        unmet: its markers that do not hold.
    """

    name: str
    candidate: Candidate
    unmet: tuple[str, ...]

    def __str__(self) -> str:
        verdict = "markers do not match" if self.unmet else "fits"
        return f"{self.name!r}: {self.candidate.spec.name} of {self.candidate.entry.source}: {verdict}"


def check_spec(value: Any) -> None:
    """Raise TypeError or ValueError unless the value is a spec that can be used."""
    if not isinstance(value, ArchitectureSpec):
        raise TypeError(f"expected an ArchitectureSpec, found {type(value).__name__}")
    for field in ("architectures", "tasks", "modalities", "markers", "examples"):
        if not isinstance(getattr(value, field), tuple):
            raise TypeError(f"{field} of spec {value.name!r} must be a tuple of strings")
    for field in ("name", "adapter", "summary"):
        text = getattr(value, field)
        if not isinstance(text, str):
            raise TypeError(f"{field} of spec {value.name!r} must be a string, not {type(text).__name__}")
        if not text.isprintable():
            raise ValueError(f"{field} of spec {value.name!r} has characters that no terminal may get: {text!r}")
    if not value.name or not all(value.adapter.partition(":")):
        raise ValueError(f"spec {value.name!r} needs a name and an adapter of the form 'package.module:Class'")
    for field in ("config_repair", "lookalike"):
        target = getattr(value, field)
        if target is not None and not all(target.partition(":")):
            raise ValueError(f"{field} of spec {value.name!r} must be of the form 'package.module:function'")
    for marker in value.markers:
        check_marker(marker)


def check_api_version(candidate: Candidate) -> None:
    """Refuse a spec that was made for another adapter interface, before its code is imported.

    Raises:
        PluginIncompatible: naming both versions and what to upgrade.
    """
    made_for, entry = candidate.spec.api_version, candidate.entry
    if made_for == API_VERSION:
        return
    package = "cenote" if made_for > API_VERSION else entry.distribution
    text = (
        f"{entry.source} was made for version {made_for} of the adapter interface, this cenote offers {API_VERSION}. "
        f"Upgrade {package}: pip install -U {package}."
    )
    raise PluginIncompatible(text, plugin=candidate.spec.name, distribution=entry.distribution)


def best_candidate(registry: Registry, name: str, facts: CheckpointFacts) -> Candidate | None:
    """Return the spec of this architecture name whose markers all hold and are most, or None.

    Raises:
        PluginConflict: two specs fit equally well.
        PluginError: the name is known, but everything that offers it is broken or made for another cenote.
    """
    found, failures = verdicts(registry, name, facts)
    unfit = [found for found in registry.rejections(GROUP, name) if found.state != DISABLED]
    if not found:
        for error in (*failures, *(rejection.error() for rejection in unfit)):
            raise error
    for rejection in unfit:
        registry.warn(rejection.entry, rejection.error())
    for verdict in found:
        registry.trace(verdict)
    return _most_specific(registry, repr(name), [verdict.candidate for verdict in found if not verdict.unmet])


def verdicts(registry: Registry, name: str, facts: CheckpointFacts) -> tuple[list[Verdict], list[PluginError]]:
    """Judge every spec of an architecture name by its markers; also return the errors of those that are broken."""
    loadable, failures = _load(registry, registry.entries(GROUP).get(name, ()))
    return [Verdict(name, candidate, _unmet(candidate.spec, facts)) for candidate in loadable], failures


def named_candidate(registry: Registry, adapter: str, names: Sequence[str], facts: CheckpointFacts) -> Candidate:
    """Return the spec that the user chose by spec or distribution name; its markers need not hold.

    What claims one of the architecture `names` is looked at first, then every installed spec.

    Raises:
        UnknownPlugin: nothing enabled has that name.
        PluginConflict: the name leaves several specs.
        PluginError: what was chosen is broken.
    """
    offers = registry.entries(GROUP)
    near = [entry for name in names for entry in offers.get(name, ())]
    for entries in (near, [entry for group in offers.values() for entry in group]):
        loadable, _ = _load(registry, entries)
        chosen = [candidate for candidate in loadable if _is_called(candidate, adapter)]
        if chosen:
            fitting = [candidate for candidate in chosen if not _unmet(candidate.spec, facts)]
            best = _most_specific(registry, f"adapter {adapter!r}", fitting or chosen)
            if best is not None:
                return best
        for entry in entries:
            if _offers(entry, adapter):
                PatientLoader(registry).load(entry, check_spec)
    raise _unknown_adapter(registry, adapter)


def _load(registry: Registry, entries: Iterable[Entry]) -> tuple[list[Candidate], list[PluginError]]:
    found: dict[tuple[ArchitectureSpec, str], Candidate] = {}
    failures = []
    loader = PatientLoader(registry)
    for entry in entries:
        try:
            spec = loader.load(entry, check_spec)
        except PluginError as exc:
            failures.append(exc)
        else:
            found.setdefault((spec, entry.distribution), Candidate(spec, entry))
    return list(found.values()), failures


def _unmet(spec: ArchitectureSpec, facts: CheckpointFacts) -> tuple[str, ...]:
    return tuple(marker for marker in spec.markers if not marker_holds(marker, facts))


def _most_specific(registry: Registry, what: str, candidates: Sequence[Candidate]) -> Candidate | None:
    if not candidates:
        return None
    most = max(len(candidate.spec.markers) for candidate in candidates)
    best = [candidate for candidate in candidates if len(candidate.spec.markers) == most]
    # A spec for another interface version could not be used anyway: it must not block one that can.
    best = [candidate for candidate in best if candidate.spec.api_version == API_VERSION] or best
    best = _built_in_first(registry, what, best)
    if len(best) > 1:
        names = list(dict.fromkeys(candidate.spec.name for candidate in best))
        by_name = f", by distribution or by spec name ({', '.join(names)})" if len(names) == len(best) else ""
        advice = f"Choose one with --adapter {{}}{by_name}"
        raise conflict(what, [candidate.entry for candidate in best], advice)
    return best[0]


def _built_in_first(registry: Registry, what: str, best: list[Candidate]) -> list[Candidate]:
    """Keep the built-in of several that fit equally well, so that installing a plugin breaks no model that worked."""
    own = [candidate for candidate in best if candidate.entry.is_built_in]
    for other in best if own else ():
        if not other.entry.is_built_in:
            name, entry = other.spec.name, other.entry
            text = (
                f"Spec {name!r} of {entry.source} is passed over for {what}, which a built-in fits as well. "
                f"Choose it with --adapter {entry.distribution}, or give it a marker."
            )
            registry.warn(entry, PluginError(text, plugin=name, distribution=entry.distribution))
    return own or best


def _is_called(candidate: Candidate, name: str) -> bool:
    return name == candidate.spec.name or canonical_name(name) == canonical_name(candidate.entry.distribution)


def _offers(entry: Entry, name: str) -> bool:
    return name == entry.name or canonical_name(name) == canonical_name(entry.distribution)


def _unknown_adapter(registry: Registry, adapter: str) -> PluginError:
    left_out = registry.rejections(GROUP)
    for found in left_out:
        if found.spec_name == adapter or _offers(found.entry, adapter):
            return _unavailable(found, adapter)
    entries = [entry for group in registry.entries(GROUP).values() for entry in group]
    known = {candidate.spec.name for candidate in _load(registry, entries)[0]} | {e.distribution for e in entries}
    text = f"No adapter is called {adapter!r}. Installed: {nearest(adapter, known)}."
    if left_out:
        # Neither a disabled nor an incompatible distribution is ever imported: names of its specs are not known.
        text += f" Left out and not looked into: {', '.join(sorted({found.entry.distribution for found in left_out}))}."
    return UnknownPlugin(text, plugin=adapter)


def _unavailable(found: Rejection, adapter: str) -> PluginError:
    if found.state != DISABLED:
        return found.error()
    text = f"Adapter {adapter!r} of {found.entry.source} is disabled: {found.detail}."
    return UnknownPlugin(text, plugin=adapter, distribution=found.entry.distribution)
