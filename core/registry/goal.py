"""What a checkpoint shall become: the user's word, else what its files say besides its architecture string."""

from __future__ import annotations

from dataclasses import dataclass

from cenote.registry.spec import ArchitectureSpec, CheckpointFacts, ConvertRule

__all__ = ["Goal", "find_goal", "is_generic", "serves"]

#: Tasks of which a spec needs one to count as able to become this.
_TASKS = {"embed": ("embed", "token_embed"), "classify": ("classify", "token_classify")}

#: Entries of config.json that make a classifier of rows of the output layer.
_TOKEN_KEYS = ("classifier_from_token", "is_original_qwen3_reranker")


@dataclass(frozen=True, slots=True)
class Goal:
    """What a checkpoint shall become, as far as its architecture string is not what decides.

    Attributes:
        convert: `embed`, `classify`, `none` (stay what it is), or `auto` where nothing says.
        why: who says so, for people.
        asked: the user said it; otherwise a spec of the very architecture may know better.
        from_tokens: the classifier is made of rows of the language model's output layer.
        architecture: the first architecture string, where the user gave it.
    """

    convert: str
    why: str = ""
    asked: bool = False
    from_tokens: bool = False
    architecture: str = ""

    def __str__(self) -> str:
        if self.convert == "auto":
            return "neither user nor files say what it shall become"
        return f"it shall become {self.convert!r}: {self.why}"


def find_goal(facts: CheckpointFacts, convert: str, architecture: str = "", rule: ConvertRule | None = None) -> Goal:
    """Read the user's option and the files.

    Args:
        facts: the checkpoint.
        convert: `auto`, `none`, `embed` or `classify`.
        architecture: the architecture string, where it came from the user and not from a file.
        rule: what its name says it is; None where there is none.

    Source: vLLM 0.32 for the entries of config.json; sentence-transformers 6.2 for LogitScore and `model_type`.
    """
    key = next((key for key in _TOKEN_KEYS if facts.config_value(key)), None)
    modules = {module.rpartition(".")[2] for module in facts.module_types()}
    if convert != "auto":
        from_tokens = convert == "classify" and (key is not None or "LogitScore" in modules)
        return Goal(convert, f"convert={convert!r} was asked for", asked=True, from_tokens=from_tokens)
    if key is not None:
        return Goal("classify", f"its config has {key}", from_tokens=True)
    if rule is not None and rule.runner == "pooling" and not ("LogitScore" in modules and rule.convert == "classify"):
        return Goal(rule.convert, f"the user gave the architecture {architecture!r}", architecture=architecture)
    if "LogitScore" in modules:
        return Goal("classify", "modules.json ends in LogitScore", from_tokens=True)
    if facts.settings_value("model_type") == "CrossEncoder":
        return Goal("classify", "config_sentence_transformers.json calls it a CrossEncoder")
    if "Pooling" in modules:
        return Goal("embed", "modules.json pools its hidden states")
    return Goal("auto", architecture=architecture)


def is_generic(spec: ArchitectureSpec) -> bool:
    """Tell whether a spec is one that conversions end in: it loads whatever transformers can."""
    return any(name.startswith("convert:") for name in spec.architectures)


def serves(spec: ArchitectureSpec, goal: Goal) -> bool:
    """Tell whether a spec that claims the checkpoint's architecture gives what the goal is."""
    if goal.convert not in _TASKS or not (goal.asked or is_generic(spec)):
        return True
    if goal.from_tokens and is_generic(spec):
        return "convert:classify:lm" in spec.architectures  # any other looks for a classifier among the weights
    return not set(_TASKS[goal.convert]).isdisjoint(spec.tasks)
