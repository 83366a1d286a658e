"""Convert rules: what an architecture that no spec names is, judged by the end of its name."""

from __future__ import annotations

from typing import Any

from cenote.errors import PluginError
from cenote.registry.patience import PatientLoader
from cenote.registry.problems import conflict
from cenote.registry.spec import ConvertRule
from cenote.registry.store import Registry

__all__ = ["SUFFIXES", "convert_rules", "first_rule"]

GROUP = "cenote.convert_rules"

#: What a class of this suffix classifies, where that is not a sequence: the generic spec to convert it with.
_CLASSIFIERS = {
    "ForTokenClassification": "token",
    "ForAudioClassification": "audio",
    "ForImageClassification": "image",
    "ForVideoClassification": "video",
}

_TABLE = (
    ("ForCausalLM", "generate", "none"),
    ("ForConditionalGeneration", "generate", "none"),
    ("ChatModel", "generate", "none"),
    ("LMHeadModel", "generate", "none"),
    ("ForTextEncoding", "pooling", "embed"),
    ("EmbeddingModel", "pooling", "embed"),
    ("ForSequenceClassification", "pooling", "classify"),
    ("ForTokenClassification", "pooling", "classify"),
    ("ForAudioClassification", "pooling", "classify"),
    ("ForImageClassification", "pooling", "classify"),
    ("ForVideoClassification", "pooling", "classify"),
    ("ClassificationModel", "pooling", "classify"),
    ("ForRewardModeling", "pooling", "embed"),
    ("RewardModel", "pooling", "embed"),
    ("Model", "pooling", "embed"),
    # The two below are cenote's own: published encoders such as bert-base and ELECTRA carry the class that they
    # were trained as, and sentence-transformers embeds with them all the same.
    ("ForMaskedLM", "pooling", "embed"),
    ("ForPreTraining", "pooling", "embed"),
)

#: The built-in rules, in the order in which they are tried. Source: vLLM 0.32, resolution of runner and convert.
SUFFIXES = tuple(
    ConvertRule(
        suffix=suffix, runner=runner, convert=convert, order=10 * number, classifier=_CLASSIFIERS.get(suffix, "")
    )
    for number, (suffix, runner, convert) in enumerate(_TABLE, start=1)
)


def convert_rules(registry: Registry) -> tuple[ConvertRule, ...]:
    """Return the rules of every working plugin in the order in which they are tried.

    Raises:
        PluginConflict: two plugins give one suffix the same place and another meaning.
    """
    found: dict[tuple[int, str], tuple[ConvertRule, Any]] = {}
    loader = PatientLoader(registry)
    for name, entries in registry.entries(GROUP).items():
        for entry in entries:
            try:
                loaded = loader.load(entry, check_rules)
            except PluginError:
                continue  # warned about by the registry; the other rules still hold
            for rule in _as_tuple(loaded):
                known, owner = found.setdefault((rule.order, rule.suffix), (rule, entry))
                if known != rule:
                    what = f"a convert rule for the suffix {rule.suffix!r} at place {rule.order}, under {name!r}"
                    raise conflict(what, [owner, entry], "Switch one off: CENOTE_DISABLE_PLUGINS={}")
    return tuple(found[key][0] for key in sorted(found))


def first_rule(rules: tuple[ConvertRule, ...], architecture: str) -> ConvertRule | None:
    """Return the first rule whose suffix ends the architecture string with something left in front of it."""
    for rule in rules:
        if architecture.endswith(rule.suffix) and architecture != rule.suffix:
            return rule
    return None


def check_rules(value: Any) -> None:
    """Raise TypeError or ValueError unless the value is one usable rule, or a tuple or list of them."""
    for rule in _as_tuple(value):
        if not isinstance(rule, ConvertRule):
            raise TypeError(f"expected ConvertRule objects, found {type(rule).__name__}")
        if not rule.suffix or rule.runner not in ("generate", "pooling"):
            raise ValueError(f"{rule!r} needs a suffix, and a runner that is 'generate' or 'pooling'")
        allowed = ("none", "embed") if rule.runner == "generate" else ("embed", "classify")
        if rule.convert not in allowed:
            raise ValueError(f"{rule!r} needs a convert that is {allowed[0]!r} or {allowed[1]!r}")


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)
