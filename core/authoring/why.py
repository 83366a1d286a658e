"""Explaining who serves an architecture, a checkpoint or a name of any other group, and what decides."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cenote.errors import UnknownPlugin
from cenote.registry.entry import BUILT_IN_DISTRIBUTION
from cenote.registry.explain import Claim, Explanation, NothingKnown, explain
from cenote.registry.listing import PluginRow, list_plugins
from cenote.registry.points import FOREIGN, POINTS, short_name
from cenote.registry.spec import ConvertRule
from cenote.registry.store import Registry, default_registry

__all__ = ["Answer", "why"]

#: Groups by the word that stands before the name.
_GROUPS: Mapping[str, str] = {short_name(group): group for group in (*(p.group for p in POINTS), *FOREIGN)}
_CLASS = re.compile(r"[A-Z]\w*|(convert|model_type):.+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Why something is served as it is.

    Attributes:
        asked: the word that was asked about.
        kind: `model`, `architecture` or `plugin`.
        names: architecture strings that are looked up first.
        claims: who claims them, and whatever else was looked at.
        goal: what user and files say that the checkpoint shall become.
        offers: of a plugin's name, whoever offers it.
        winner: name of the spec or plugin that is taken; None where nothing is.
        convert: what the adapter makes of the architecture.
        rule: the convert rule that decided, or None.
        decision: why, in a sentence: of the winner, or of the error.
        advice: what else decides, or what to do.
    """

    asked: str
    kind: str
    names: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = ()
    goal: str = ""
    offers: tuple[PluginRow, ...] = ()
    winner: str | None = None
    convert: str | None = None
    rule: ConvertRule | None = None
    decision: str = ""
    advice: tuple[str, ...] = field(default=())

    def record(self) -> dict[str, Any]:
        """Return the answer for JSON."""
        return asdict(self)


def why(asked: str, options: Mapping[str, Any] | None = None, registry: Registry | None = None) -> Answer:
    """Explain a word: `group/name`, a folder or hub id, an architecture string, or the name of any plugin.

    A folder that is no checkpoint counts after what is installed: `cenote plugins new` makes one called as the plugin.

    Args:
        asked: the word.
        options: of a model, as `LLM` takes them: `revision`, `hf_overrides`, `hf_token`, `trust_remote_code`, `runner`,
            `convert`, `adapter`.
        registry: where to look; None is the registry of this process.

    Raises:
        UnknownPlugin: nothing has the name.
        CheckpointError: the model is not found or not readable.
    """
    registry = default_registry() if registry is None else registry
    word, slash, name = asked.partition("/")
    folder = Path(asked).expanduser()
    if any((folder / file).is_file() for file in ("config.json", "modules.json")):
        return _model(asked, options or {}, registry)
    if slash and word in _GROUPS:
        return _named(asked, _GROUPS[word], name, registry)
    if slash:
        return _model(asked, options or {}, registry)
    if asked in registry.entries(POINTS[0].group) or registry.rejections(POINTS[0].group, asked):
        return _architecture(asked, options or {}, registry)
    if rows := _rows(registry, None, asked):
        return _of_rows(asked, rows)
    if folder.is_dir():
        return _model(asked, options or {}, registry)  # says what is missing
    if _CLASS.fullmatch(asked) is not None:
        return _architecture(asked, options or {}, registry)
    text = (
        f"Nothing is called {asked!r}: no folder, no architecture, no spec, no plugin and no distribution. "
        "See 'cenote plugins', or write a hub id as owner/name."
    )
    raise UnknownPlugin(text, plugin=asked)


def _model(asked: str, options: Mapping[str, Any], registry: Registry) -> Answer:
    from cenote.checkpoints import open_checkpoint

    opening = ("revision", "hf_overrides", "hf_token", "trust_remote_code")
    facts = open_checkpoint(asked, **{name: options[name] for name in opening if name in options})
    overrides = options.get("hf_overrides")
    explanation = explain(
        facts,
        architectures=facts.architectures,
        model_type=facts.model_type,
        registry=registry,
        from_user=isinstance(overrides, Mapping) and "architectures" in overrides,
        **_choices(options),
    )
    return _answer(asked, "model", explanation, ())


def _architecture(asked: str, options: Mapping[str, Any], registry: Registry) -> Answer:
    kind, _, rest = asked.partition(":")
    names, model_type = ([], rest) if kind == "model_type" else ([asked], None)
    explanation = explain(
        NothingKnown(), architectures=names, model_type=model_type, registry=registry, **_choices(options)
    )
    return _answer(asked, "architecture", explanation, tuple(_deciding(explanation)))


def _choices(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: options[name] for name in ("runner", "convert", "adapter") if options.get(name) is not None}


def _deciding(explanation: Explanation) -> list[str]:
    """Say which markers would decide, and where they could not: specs of one name with equally many markers."""
    claims = [claim for claim in explanation.claims if claim.name in explanation.names and claim.spec]
    found = [
        f"{claim.spec} wins where the checkpoint has {' and '.join(claim.markers)}."
        for claim in claims
        if claim.markers
    ]
    alike: dict[int, list[str]] = {}
    for claim in claims:
        alike.setdefault(len(claim.markers), []).append(f"{claim.spec} of {claim.distribution}")
    for specs in alike.values():
        if len(specs) > 1:
            own = [text for text in specs if text.endswith(f" of {BUILT_IN_DISTRIBUTION}")]
            end = "is a conflict, which --adapter decides"
            if len(own) == 1:
                end = f"gets {own[0]}, unless --adapter says otherwise"
            found.append(f"A checkpoint that fits {' and '.join(specs)} {end}.")
    return found


def _answer(asked: str, kind: str, explanation: Explanation, advice: tuple[str, ...]) -> Answer:
    chosen, error = explanation.chosen, explanation.error
    return Answer(
        asked=asked,
        kind=kind,
        names=explanation.names,
        claims=explanation.claims,
        goal=explanation.goal,
        winner=None if chosen is None else chosen.spec.name,
        convert=None if chosen is None else chosen.convert,
        rule=None if chosen is None else chosen.rule,
        decision=chosen.reason if chosen is not None else str(error),
        advice=advice,
    )


def _named(asked: str, group: str, name: str, registry: Registry) -> Answer:
    rows = _rows(registry, group, name)
    if not rows:
        raise registry.unknown(group, name)
    return _of_rows(asked, rows)


def _rows(registry: Registry, group: str | None, name: str) -> list[PluginRow]:
    return [
        row
        for row in list_plugins(registry)
        if group in (None, row.group)
        and (name in (row.name, *row.architectures) or (group is None and name == row.distribution))
    ]


def _of_rows(asked: str, rows: list[PluginRow]) -> Answer:
    usable = [row for row in rows if row.state in ("discovered", "active")]
    return Answer(
        asked=asked,
        kind="plugin",
        offers=tuple(rows),
        winner=usable[0].name if usable else None,
        decision="" if usable else "None of them can be used.",
    )
