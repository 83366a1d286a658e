"""What becomes of an architecture that no installed spec serves: the convert rules and the generic specs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cenote.errors import (
    InvalidRequest,
    PluginConflict,
    PluginError,
    UnknownArchitecture,
    UnsupportedTask,
)
from cenote.registry.candidates import GROUP, Candidate, best_candidate
from cenote.registry.goal import Goal, serves
from cenote.registry.known_plugins import KNOWN_PLUGINS
from cenote.registry.names import nearest
from cenote.registry.rules import convert_rules, first_rule
from cenote.registry.spec import CheckpointFacts, ConvertRule
from cenote.registry.store import Registry

__all__ = ["Conversion", "converted_candidate", "generates_only"]


@dataclass(frozen=True, slots=True)
class Conversion:
    """A candidate found by the convert rules, and the rule of its architecture's suffix, where there is one."""

    candidate: Candidate
    architecture: str
    convert: str
    reason: str
    rule: ConvertRule | None


def converted_candidate(
    registry: Registry, facts: CheckpointFacts, names: Sequence[str], runner: str, goal: Goal
) -> Conversion:
    """Choose an adapter by the convert rules for a checkpoint that no spec of its architecture serves.

    Args:
        registry: where rules and specs are.
        facts: what markers may ask of the checkpoint.
        names: architecture strings in order, or one `model_type:<x>`.
        runner: `auto` or `pooling`.
        goal: what it shall become, as far as user and files say.

    Raises:
        UnknownArchitecture: no rule applies, and neither user nor files say what it shall become.
        InvalidRequest: it generates text and shall stay as it is.
        UnsupportedTask: nothing installed makes what it shall become.

    Source: vLLM 0.32, resolution of runner and convert; there a causal LM without Sentence-Transformers files
    generates by default, here it becomes an embedder.
    """
    rules = convert_rules(registry)
    name, rule = _deciding(rules, names, goal)
    if rule is not None and rule.runner == "generate" and goal.convert == "none":
        raise generates_only(name)
    nobody_says = rule is None and (goal.convert == "none" or (goal.convert == "auto" and runner != "pooling"))
    told = goal.asked and goal.convert != "none"
    if not names or nobody_says or (not told and any(name in KNOWN_PLUGINS for name in names)):
        raise _unknown(registry, names)
    convert = _convert(goal, rule)
    if goal.architecture and not told:
        _check_family(registry, facts, goal.architecture, rule)
    why = f"{_lack(registry, name)}, and {_why(goal, rule)}"
    relative = _relative(registry, facts, name, rule, convert) if not goal.from_tokens else None
    if relative is not None:
        found, other = relative
        return Conversion(found, name, convert, f"{why}; {other!r} of the same family is registered", rule)
    generic = _generic(registry, facts, name, rule, replace(goal, convert=convert))
    return Conversion(generic, name, convert, why, rule)


def generates_only(architecture: str) -> InvalidRequest:
    """Build the error for a class that generates text and shall not be converted."""
    return InvalidRequest(
        f"{architecture!r} generates text; with convert='none' it is no pooling model. "
        "Use convert='embed', or convert='classify' where it is a reranker.",
        param="convert",
    )


def _deciding(rules: tuple[ConvertRule, ...], names: Sequence[str], goal: Goal) -> tuple[str, ConvertRule | None]:
    """Return the architecture that decides: one that is what the goal is, else the first that any rule knows."""
    matches = [(name, rule) for name in names if (rule := first_rule(rules, name)) is not None]
    fitting = [match for match in matches if match[1].convert == goal.convert]
    return next(iter(fitting or matches), (names[0] if names else "", None))


def _convert(goal: Goal, rule: ConvertRule | None) -> str:
    if goal.convert in ("embed", "classify"):
        return goal.convert
    return rule.convert if rule is not None and rule.runner == "pooling" else "embed"


def _lack(registry: Registry, name: str) -> str:
    is_known = name in registry.entries(GROUP)
    return f"no spec of {name!r} does what is needed" if is_known else f"{name!r} is not registered"


def _why(goal: Goal, rule: ConvertRule | None) -> str:
    if goal.convert in ("embed", "classify"):
        return goal.why
    return "runner='pooling' was asked for" if rule is None else f"its name ends in {rule.suffix!r}"


def _relative(
    registry: Registry, facts: CheckpointFacts, name: str, rule: ConvertRule | None, convert: str
) -> tuple[Candidate, str] | None:
    """Find a spec for the same family that gives what is needed, by exchanging the suffix in table order."""
    wanted = Goal(convert, asked=True)
    for other, found in _family(registry, facts, name, rule):
        if serves(found.spec, wanted) and (convert == "embed" or _same_head(registry, name, rule, other)):
            return found, other
    return None


def _same_head(registry: Registry, name: str, rule: ConvertRule | None, other: str) -> bool:
    """Tell whether two classes classify the same thing; a class without a classifier takes one for sequences."""
    theirs = first_rule(convert_rules(registry), other)
    if rule is None or rule.runner == "generate" or theirs is None or theirs.convert != "classify":
        return False
    return theirs.classifier == (rule.classifier if rule.convert == "classify" else "")


def _family(
    registry: Registry, facts: CheckpointFacts, name: str, rule: ConvertRule | None
) -> list[tuple[str, Candidate]]:
    if rule is None:
        return []
    stem, found = name.removesuffix(rule.suffix), []
    for other in convert_rules(registry):
        try:
            candidate = best_candidate(registry, stem + other.suffix, facts)
        except PluginConflict:
            raise
        except PluginError:
            continue  # a broken plugin for a relative must not keep this checkpoint from loading
        if candidate is not None:
            found.append((stem + other.suffix, candidate))
    return found


def _check_family(registry: Registry, facts: CheckpointFacts, name: str, rule: ConvertRule | None) -> None:
    """Refuse an architecture of the user that is neither of a registered family nor of the checkpoint's model_type."""
    model_type = str(facts.config_value("model_type") or "")
    stem = name.removesuffix(rule.suffix) if rule is not None else name
    if _plain(stem) == _plain(model_type) or _family(registry, facts, name, rule):
        return
    known = [other for other in registry.entries(GROUP) if not other.startswith("convert:")]
    raise UnknownArchitecture(
        f"hf_overrides give the architecture {name!r}, which is of no registered family and does not go with "
        f"model_type {model_type!r}. Installed: {nearest(name, known)}.",
        architecture=name,
    )


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _generic(registry: Registry, facts: CheckpointFacts, name: str, rule: ConvertRule | None, goal: Goal) -> Candidate:
    """Return the spec that converts whatever transformers can load; a config is repaired as its family's is."""
    generates = rule is not None and rule.runner == "generate"
    if goal.convert == "embed":
        kind = "decoder" if generates else "encoder"
    elif goal.from_tokens or (generates and not facts.has_tensor("score.weight")):
        kind = "lm"
    else:
        kind = (rule.classifier if rule is not None else "") or "sequence"
    generic = best_candidate(registry, f"convert:{goal.convert}:{kind}", facts)
    if generic is None:
        raise _no_conversion(registry, name, goal.convert, kind)
    repairs = (candidate.spec.config_repair for _, candidate in _family(registry, facts, name, rule))
    repair = next((repair for repair in repairs if repair is not None), None)
    if repair is None or generic.spec.config_repair is not None:
        return generic
    return Candidate(replace(generic.spec, config_repair=repair), generic.entry)


def _no_conversion(registry: Registry, name: str, convert: str, kind: str) -> UnsupportedTask | PluginError:
    offer = f"convert:{convert}:{kind}"
    for rejection in registry.rejections(GROUP, offer):
        return rejection.error()
    advice = "Install a plugin that offers it"
    if convert == "classify":
        advice += ", or take convert='embed', which drops the classifier and gives embeddings"
    return UnsupportedTask(
        f"{name!r} has to run through the conversion {offer!r}, which nothing installed offers. {advice}.",
        param="convert",
    )


def _unknown(registry: Registry, names: Sequence[str]) -> UnknownArchitecture:
    if not names:
        return UnknownArchitecture("config.json names neither architectures nor a model_type, so no adapter fits.")
    name = next((name for name in names if name in KNOWN_PLUGINS), names[0])
    text = f"No adapter for architecture {name!r} (from config.json). "
    if name in KNOWN_PLUGINS:
        text += f"Install one: pip install {KNOWN_PLUGINS[name]}. "
    else:
        text += "Install a plugin that offers it, or try convert='embed' to run it as a plain embedder. "
    known = [other for other in registry.entries(GROUP) if not other.startswith("convert:")]
    return UnknownArchitecture(f"{text}Installed: {nearest(name, known)}.", architecture=name)
