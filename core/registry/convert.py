"""What becomes of an architecture that no installed spec names, and what an adapter shall make of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cenote.errors import InvalidRequest, PluginConflict, PluginError, UnknownArchitecture, UnsupportedTask
from cenote.registry.candidates import GROUP, Candidate, best_candidate
from cenote.registry.known_plugins import KNOWN_PLUGINS
from cenote.registry.names import nearest
from cenote.registry.rules import convert_rules, first_rule
from cenote.registry.spec import ArchitectureSpec, CheckpointFacts, ConvertRule
from cenote.registry.store import Registry

__all__ = ["Conversion", "choose_convert", "converted_candidate"]

#: Names of the specs that load any transformers class: for them a causal LM is something to convert.
_GENERIC = frozenset({"transformers-encoder", "transformers-decoder"})


@dataclass(frozen=True, slots=True)
class Conversion:
    """A candidate found by the convert rules."""

    candidate: Candidate
    architecture: str
    convert: str
    reason: str


def choose_convert(
    spec: ArchitectureSpec, architecture: str, rule: ConvertRule | None, convert: str
) -> tuple[str, str]:
    """Decide what the adapter shall make of the architecture: `none`, `embed` or `classify`, and a note on why.

    Raises:
        UnsupportedTask: the adapter cannot do what was asked.
        InvalidRequest: `none` for a generation model that only a conversion makes poolable.
    """
    generates = spec.name in _GENERIC and rule is not None and rule.runner == "generate"
    if convert == "auto":
        return ("embed", ", which converts the causal language model into an embedder") if generates else ("none", "")
    if convert == "none" and generates:
        text = f"{architecture!r} generates text; with convert='none' it is no pooling model. Use convert='embed'."
        raise InvalidRequest(text, param="convert")
    if convert != "none" and convert not in spec.tasks:
        tasks = ", ".join(spec.tasks)
        text = f"convert={convert!r} is not available for {architecture!r} in this version. {spec.name} does: {tasks}."
        raise UnsupportedTask(text, param="convert")
    return convert, ""


def converted_candidate(
    registry: Registry, facts: CheckpointFacts, names: Sequence[str], runner: str, convert: str
) -> Conversion:
    """Choose an adapter by the convert rules for a checkpoint that no spec names.

    Args:
        registry: where rules and specs are.
        facts: what markers may ask of the checkpoint.
        names: architecture strings in order, or one `model_type:<x>`; none of them has a fitting spec.
        runner: `auto` or `pooling`.
        convert: `auto`, `none`, `embed` or `classify`.

    Raises:
        UnknownArchitecture: no rule applies and the user did not ask for a conversion.
        UnsupportedTask: the rules or the user make it a classifier.

    Source: vLLM 0.32, resolution of runner and convert; there a causal LM without Sentence-Transformers files
    generates by default, here it becomes an embedder.
    """
    rules = convert_rules(registry)
    matches = [(name, rule) for name in names if (rule := first_rule(rules, name)) is not None]
    asked = convert == "embed" or (convert == "auto" and (runner == "pooling" or _pools(facts)))
    if convert == "none" or not names or (convert == "auto" and any(name in KNOWN_PLUGINS for name in names)):
        raise _unknown(registry, names)
    if not matches and not asked and convert != "classify":
        raise _unknown(registry, names)
    name, rule = matches[0] if matches else (names[0], None)
    if convert == "classify" or (convert == "auto" and rule is not None and rule.convert == "classify"):
        raise _no_classifiers(name)
    relative = _relative(registry, facts, name, rule) if rule is not None else None
    if relative is not None:
        found, other = relative
        return Conversion(found, name, "embed", f"{name!r} is not registered, {other!r} of the same family is")
    kind = "decoder" if rule is not None and rule.runner == "generate" else "encoder"
    generic = best_candidate(registry, f"convert:embed:{kind}", facts)
    if generic is None:
        raise registry.unknown(GROUP, f"convert:embed:{kind}")
    why = f"its name ends in {rule.suffix!r}" if rule is not None else "an embedder was asked for"
    return Conversion(generic, name, "embed", f"{name!r} is not registered, and {why}")


def _relative(registry: Registry, facts: CheckpointFacts, name: str, rule: ConvertRule) -> tuple[Candidate, str] | None:
    """Find a registered class of the same family that embeds, by exchanging the suffix in table order."""
    stem = name.removesuffix(rule.suffix)
    for other in convert_rules(registry):
        try:
            found = best_candidate(registry, stem + other.suffix, facts)
        except PluginConflict:
            raise
        except PluginError:
            continue  # a broken plugin for a relative must not keep this checkpoint from loading
        if found is not None and "embed" in found.spec.tasks:
            return found, stem + other.suffix
    return None


def _pools(facts: CheckpointFacts) -> bool:
    return any(module.rpartition(".")[2] == "Pooling" for module in facts.module_types())


def _no_classifiers(name: str) -> UnsupportedTask:
    return UnsupportedTask(
        f"{name!r} would have to run as a classifier, and converting to classifiers is not available in this version. "
        "Possible: convert='embed', which drops the classifier and gives embeddings.",
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
