"""From the architecture strings of a checkpoint to the one adapter that loads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from cenote.errors import InvalidRequest, UnsupportedTask
from cenote.registry.candidates import (
    GROUP,
    Candidate,
    best_candidate,
    check_api_version,
    named_candidate,
)
from cenote.registry.convert import converted_candidate, generates_only
from cenote.registry.entry import Entry
from cenote.registry.goal import Goal, find_goal, is_generic, serves
from cenote.registry.markers import true_part
from cenote.registry.rules import convert_rules, first_rule
from cenote.registry.spec import ArchitectureSpec, CheckpointFacts, ConvertRule
from cenote.registry.store import Registry, default_registry

__all__ = ["ResolvedAdapter", "load_adapter", "resolve_adapter"]


@dataclass(frozen=True, slots=True)
class ResolvedAdapter:
    """The adapter that was chosen for a checkpoint.

    Attributes:
        spec: what it can do and where its code is.
        architecture: the string of the checkpoint that decided.
        distribution: who offers it.
        version: version of that distribution.
        runner: always `pooling`.
        convert: `none`, `embed` or `classify`: what the adapter shall make of the architecture.
        reason: why, as one sentence for people.
        rule: the convert rule that said what becomes of the architecture, or None.
    """

    spec: ArchitectureSpec
    architecture: str
    distribution: str
    version: str
    runner: str
    convert: str
    reason: str
    rule: ConvertRule | None = None


def resolve_adapter(
    facts: CheckpointFacts,
    *,
    architectures: Sequence[str],
    model_type: str | None,
    runner: str = "auto",
    convert: str = "auto",
    adapter: str | None = None,
    from_user: bool = False,
    registry: Registry | None = None,
) -> ResolvedAdapter:
    """Choose the adapter for a checkpoint. Imports specs, never adapters.

    A spec that names the architecture and whose markers hold wins, unless the user asks for something that it does not
    do; otherwise the convert rules choose another name of the same family or a generic adapter.

    Args:
        facts: what markers may ask of the checkpoint.
        architectures: strings of `config.json`, tried in order.
        model_type: looked up as `model_type:<x>` where there are no architectures.
        runner: `auto` or `pooling`.
        convert: `auto`, `none`, `embed` or `classify`.
        adapter: name of a spec or distribution that the user chose.
        from_user: the architectures are the user's (`hf_overrides`), so that they decide before the files do.
        registry: where to look; None is the registry of this process.

    Raises:
        UnknownArchitecture: nothing fits.
        UnsupportedTask: the checkpoint is, or shall become, something that nothing installed or chosen can do.
        InvalidRequest: runner or convert are unknown, or contradict the architecture.
        PluginConflict: several adapters fit equally well.
        PluginIncompatible: the chosen one was made for another interface version.
        PluginError: the chosen one is broken.
    """
    _check_options(runner, convert)
    registry = default_registry() if registry is None else registry
    names = tuple(architectures) or ((f"model_type:{model_type}",) if model_type else ())
    own = names[0] if from_user and names else ""
    goal = find_goal(facts, convert, own, first_rule(convert_rules(registry), own) if own else None)
    registry.trace(goal)
    if adapter is not None:
        named = named_candidate(registry, adapter, names, facts)
        return _kept(registry, named, names[0] if names else "", goal, f"adapter={adapter!r} was asked for")
    for name in names:
        found = best_candidate(registry, name, facts)
        if found is not None and serves(found.spec, goal):
            return _kept(registry, found, name, goal, _because(found, name, facts))
    choice = converted_candidate(registry, facts, names, runner, goal)
    resolved = _resolved(registry, choice.candidate, choice.architecture, choice.convert, choice.reason)
    return replace(resolved, rule=choice.rule)


def load_adapter(resolved: ResolvedAdapter, registry: Registry | None = None) -> Any:
    """Import the adapter class of a resolution; its interface version is checked before the import.

    Raises:
        PluginIncompatible: it was made for another interface version.
        PluginError: its code cannot be imported, or has no `load`.
    """
    registry = default_registry() if registry is None else registry
    spec = resolved.spec
    entry = Entry(GROUP, resolved.architecture or spec.name, spec.adapter, resolved.distribution, resolved.version)
    check_api_version(Candidate(spec, entry))
    return registry.load(entry, _check_adapter)


def _kept(registry: Registry, found: Candidate, architecture: str, goal: Goal, why: str) -> ResolvedAdapter:
    """Resolve to a spec of the architecture itself, or to one that the user named."""
    if goal.asked and not serves(found.spec, goal):
        tasks = ", ".join(found.spec.tasks)
        text = f"convert={goal.convert!r} is nothing that adapter {found.spec.name!r} can do; it does: {tasks}."
        raise UnsupportedTask(text, param="convert")
    rule = first_rule(convert_rules(registry), architecture)
    convert, note = _own_convert(found.spec, architecture, rule, goal)
    return _resolved(registry, found, architecture, convert, why + note)


def _own_convert(spec: ArchitectureSpec, architecture: str, rule: ConvertRule | None, goal: Goal) -> tuple[str, str]:
    """Say what the adapter makes of the architecture, and a note on why where that is not plain."""
    if goal.asked and goal.convert != "none":
        return goal.convert, ""
    if not is_generic(spec) or rule is None or rule.runner != "generate":
        return "none", ""
    if goal.convert == "none":
        raise generates_only(architecture)
    if "embed" in spec.tasks:
        return "embed", ", which converts the causal language model into an embedder"
    return "classify", ", which converts the causal language model into a classifier"


def _resolved(registry: Registry, found: Candidate, architecture: str, convert: str, why: str) -> ResolvedAdapter:
    check_api_version(found)
    reason = f"{found.spec.name} of {found.entry.source}: {why}."
    registry.trace(f"{architecture!r}: chose {reason}")
    return ResolvedAdapter(
        spec=found.spec,
        architecture=architecture,
        distribution=found.entry.distribution,
        version=found.entry.version,
        runner="pooling",
        convert=convert,
        reason=reason,
    )


def _because(found: Candidate, name: str, facts: CheckpointFacts) -> str:
    if not found.spec.markers:
        return f"it is registered for {name!r}"
    holding = (true_part(marker, facts) for marker in found.spec.markers)
    return f"it is registered for {name!r} and the checkpoint has {', '.join(holding)}"


def _check_options(runner: str, convert: str) -> None:
    if runner not in ("auto", "pooling"):
        text = f"runner={runner!r} is not offered: cenote runs pooling models only. Use 'auto' or 'pooling'."
        raise InvalidRequest(text, param="runner")
    if convert not in ("auto", "none", "embed", "classify"):
        text = f"convert={convert!r} is unknown. Use 'auto', 'none', 'embed' or 'classify'."
        raise InvalidRequest(text, param="convert")


def _check_adapter(value: Any) -> None:
    if not callable(getattr(value, "load", None)):
        raise TypeError(f"{value!r} has no method load(checkpoint, options)")
