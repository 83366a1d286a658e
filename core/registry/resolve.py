"""From the architecture strings of a checkpoint to the one adapter that loads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cenote.errors import InvalidRequest
from cenote.registry.candidates import (
    GROUP,
    Candidate,
    best_candidate,
    check_api_version,
    named_candidate,
)
from cenote.registry.convert import choose_convert, converted_candidate
from cenote.registry.entry import Entry
from cenote.registry.rules import convert_rules, first_rule
from cenote.registry.spec import ArchitectureSpec, CheckpointFacts
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
    """

    spec: ArchitectureSpec
    architecture: str
    distribution: str
    version: str
    runner: str
    convert: str
    reason: str


def resolve_adapter(
    facts: CheckpointFacts,
    *,
    architectures: Sequence[str],
    model_type: str | None,
    runner: str = "auto",
    convert: str = "auto",
    adapter: str | None = None,
    registry: Registry | None = None,
) -> ResolvedAdapter:
    """Choose the adapter for a checkpoint. Imports specs, never adapters.

    A spec that names the architecture and whose markers hold wins; otherwise the convert rules choose another name
    of the same family or a generic adapter.

    Args:
        facts: what markers may ask of the checkpoint.
        architectures: strings of `config.json`, tried in order.
        model_type: looked up as `model_type:<x>` where there are no architectures.
        runner: `auto` or `pooling`.
        convert: `auto`, `none`, `embed` or `classify`.
        adapter: name of a spec or distribution that the user chose.
        registry: where to look; None is the registry of this process.

    Raises:
        UnknownArchitecture: nothing fits.
        UnsupportedTask: the checkpoint is, or shall become, something that the adapter cannot do.
        InvalidRequest: runner or convert are unknown, or contradict the architecture.
        PluginConflict: several adapters fit equally well.
        PluginIncompatible: the chosen one was made for another interface version.
        PluginError: the chosen one is broken.
    """
    _check_options(runner, convert)
    registry = default_registry() if registry is None else registry
    names = tuple(architectures) or ((f"model_type:{model_type}",) if model_type else ())
    if adapter is not None:
        named = named_candidate(registry, adapter, names, facts)
        return _resolved(registry, named, names[0] if names else "", convert, f"adapter={adapter!r} was asked for")
    for name in names:
        found = best_candidate(registry, name, facts)
        if found is not None:
            return _resolved(registry, found, name, convert, _because(found, name))
    choice = converted_candidate(registry, facts, names, runner, convert)
    return _resolved(registry, choice.candidate, choice.architecture, choice.convert, choice.reason)


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


def _resolved(registry: Registry, found: Candidate, architecture: str, convert: str, why: str) -> ResolvedAdapter:
    check_api_version(found)
    rule = first_rule(convert_rules(registry), architecture)
    decided, note = choose_convert(found.spec, architecture, rule, convert)
    reason = f"{found.spec.name} of {found.entry.source}: {why}{note}."
    registry.trace(f"{architecture!r}: chose {reason}")
    return ResolvedAdapter(
        spec=found.spec,
        architecture=architecture,
        distribution=found.entry.distribution,
        version=found.entry.version,
        runner="pooling",
        convert=decided,
        reason=reason,
    )


def _because(found: Candidate, name: str) -> str:
    if not found.spec.markers:
        return f"it is registered for {name!r}"
    return f"it is registered for {name!r} and the checkpoint has {', '.join(found.spec.markers)}"


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
