"""Why a checkpoint or an architecture string gets the adapter that it gets, told by what the resolution decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from cenote.errors import CenoteError, PluginError
from cenote.registry.candidates import GROUP, Verdict, check_api_version, verdicts
from cenote.registry.entry import Entry
from cenote.registry.goal import Goal
from cenote.registry.problems import cause_of
from cenote.registry.resolve import ResolvedAdapter, resolve_adapter
from cenote.registry.spec import CheckpointFacts
from cenote.registry.states import FAILED, INCOMPATIBLE, State
from cenote.registry.store import Registry, default_registry

__all__ = ["Claim", "Explanation", "NothingKnown", "explain"]

#: What becomes of a claim: all its markers hold, some do not, or the plugin cannot be used.
Standing: TypeAlias = Literal["fits", "does not fit"] | State


@dataclass(frozen=True, slots=True)
class Claim:
    """A spec that is offered for an architecture name, and how it fits.

    Attributes:
        name: the architecture name.
        spec: name of the spec; of one that cannot be loaded, empty.
        distribution: who offers it.
        version: the same.
        standing: `fits`, `does not fit`, `disabled`, `incompatible` or `failed`.
        markers: each marker, and whether it holds.
        detail: why it cannot be used, or empty.
    """

    name: str
    spec: str
    distribution: str
    version: str
    standing: Standing
    markers: Mapping[str, bool]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a choice was made.

    Attributes:
        names: architecture strings of the checkpoint, which are looked up first.
        claims: who claims them, and then whatever else was looked at, in that order.
        goal: what user and files say that the checkpoint shall become; empty where they say nothing and nothing asked.
        chosen: what won, or None.
        error: why nothing won, or None.
    """

    names: tuple[str, ...]
    claims: tuple[Claim, ...]
    goal: str
    chosen: ResolvedAdapter | None
    error: CenoteError | None


class NothingKnown:
    """Facts of a checkpoint of which nothing is known but its architecture: no marker holds."""

    name = ""

    def has_file(self, name: str) -> bool:
        """Return False."""
        return False

    def config_value(self, key: str) -> Any:
        """Return None."""
        return None

    def settings_value(self, key: str) -> Any:
        """Return None."""
        return None

    def has_tensor(self, name: str) -> bool:
        """Return False."""
        return False

    def module_types(self) -> tuple[str, ...]:
        """Return nothing."""
        return ()


def explain(
    facts: CheckpointFacts,
    *,
    architectures: Sequence[str],
    model_type: str | None,
    registry: Registry | None = None,
    **options: Any,
) -> Explanation:
    """Choose as `resolve_adapter` does, and tell how.

    Args:
        facts: as there, like all the others.
        architectures: strings of `config.json`.
        model_type: where there are none.
        registry: where to look; None is the registry of this process.
        **options: `runner`, `convert`, `adapter` and `from_user`.
    """
    registry = default_registry() if registry is None else registry
    chosen, error = None, None
    with registry.recording() as decisions:
        try:
            chosen = resolve_adapter(
                facts, architectures=architectures, model_type=model_type, registry=registry, **options
            )
        except CenoteError as exc:
            error = exc
    names = tuple(architectures) or ((f"model_type:{model_type}",) if model_type else ())
    looked_at = [decision.name for decision in decisions if isinstance(decision, Verdict)]
    claims = [claim for name in dict.fromkeys((*names, *looked_at)) for claim in _claims(registry, name, facts)]
    goals = [decision for decision in decisions if isinstance(decision, Goal)]
    if chosen is not None and chosen.rule is None:  # the architecture decided, not what becomes of it
        goals = [goal for goal in goals if goal.convert != "auto"]
    return Explanation(names, tuple(claims), "".join(map(str, goals)), chosen, error)


def _claims(registry: Registry, name: str, facts: CheckpointFacts) -> list[Claim]:
    found, failures = verdicts(registry, name, facts)
    claims = [_judged(verdict) for verdict in found]
    for failure in failures:
        entry = next(item for item in registry.entries(GROUP)[name] if item.distribution == failure.distribution)
        claims.append(_useless(entry, FAILED, _cause(entry, failure)))
    claims += [_useless(item.entry, item.state, item.detail) for item in registry.rejections(GROUP, name)]
    return claims


def _judged(verdict: Verdict) -> Claim:
    spec, entry = verdict.candidate.spec, verdict.candidate.entry
    markers = {marker: marker not in verdict.unmet for marker in spec.markers}
    standing: Standing = "does not fit" if verdict.unmet else "fits"
    detail = ""
    try:
        check_api_version(verdict.candidate)
    except PluginError as exc:
        standing, detail = INCOMPATIBLE, str(exc)
    return Claim(verdict.name, spec.name, entry.distribution, entry.version, standing, markers, detail)


def _useless(entry: Entry, state: State, detail: str) -> Claim:
    return Claim(entry.name, "", entry.distribution, entry.version, state, {}, detail)


def _cause(entry: Entry, error: PluginError) -> str:
    return str(error) if error.__cause__ is None else cause_of(entry, error.__cause__)
