"""What turns a classifier's logits into its answer: the function, and which file says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from cenote.config import Fact
from cenote.errors import CheckpointError

__all__ = ["Activation", "build_activation", "resolve_activation"]

Function: TypeAlias = Callable[[Tensor], Tensor]

_VLLM_PREFIX = "torch.nn.modules."


@dataclass(frozen=True, slots=True)
class Activation:
    """A function over the last axis of logits.

    Attributes:
        name: for people.
        function: the function.
        source: the setting that asked for it.
    """

    name: str
    function: Function
    source: str

    def __str__(self) -> str:
        return Fact(self.name, self.source)


def _identity(logits: Tensor) -> Tensor:
    return logits


def _softmax(logits: Tensor) -> Tensor:
    return torch.softmax(logits, dim=-1)


def _sigmoid_or_softmax(logits: Tensor) -> Tensor:
    """Apply a sigmoid to one column, a softmax to several; STEP pooling may leave one of several."""
    return torch.sigmoid(logits) if logits.shape[-1] < 2 else _softmax(logits)


#: Functions by the name that reports show. `auto` is shown as what it means for the model's labels.
_FUNCTIONS: Mapping[str, Function] = {
    "identity": _identity,
    "sigmoid": torch.sigmoid,
    "softmax": _softmax,
    "auto": _sigmoid_or_softmax,
}
_BY_PROBLEM: Mapping[str, str] = {
    "regression": "identity",
    "single_label_classification": "auto",
    "multi_label_classification": "sigmoid",
}
_BY_PIPELINE: Mapping[str, str] = {"none": "identity", "sigmoid": "sigmoid", "softmax": "softmax"}
#: Classes of torch that need an axis, or that have a plainer form here.
_OWN_FORM: Mapping[str, Function] = {
    "Identity": _identity,
    "Sigmoid": torch.sigmoid,
    "Softmax": _softmax,
    "LogSoftmax": lambda logits: torch.log_softmax(logits, dim=-1),
}


def resolve_activation(
    config: Mapping[str, Any], labels: int, *, compat: str, default: str | None = None, own: str | None = None
) -> Activation:
    """Decide on the activation of a classifier.

    What sentence-transformers wrote wins over `problem_type`, which it ignores itself; then `function_to_apply`, a
    key of transformers' pipelines; then `default`; then a sigmoid for one label and a softmax for more. With
    `compat="vllm"` the order and meaning are those of vLLM 0.32, where `problem_type` comes first, a stored sigmoid
    or softmax means "sigmoid for one label, softmax for more", and the last three are not read.

    Args:
        config: `config.json`.
        labels: number of labels.
        compat: `reference` or `vllm`.
        default: `identity`, `sigmoid` or `softmax`, where no file says.
        own: dotted name from `config_sentence_transformers.json`.

    Raises:
        CheckpointError: a file names something that is not a function known here.

    Source: `CrossEncoder.get_default_activation_fn` of sentence-transformers 6.2, `TextClassificationPipeline` of
    transformers 5.23.
    """
    by_problem = _listed(config, "problem_type", _BY_PROBLEM, labels)
    if compat == "vllm":
        stored = _stored(config, None)
        return by_problem or (_as_vllm(*stored, labels) if stored else _known("auto", labels, "default"))
    stored = _stored(config, own)
    if stored is not None:
        return Activation(stored[0].rpartition(".")[2].lower(), build_activation(stored[0]), stored[1])
    if by_problem is not None:
        return by_problem
    by_pipeline = _listed(config, "function_to_apply", _BY_PIPELINE, labels)
    return by_pipeline or _known(default or "auto", labels, "model default" if default else "default")


def build_activation(dotted: str) -> Function:
    """Build an activation from the dotted name of a class of `torch.nn`; nothing else is looked up or imported.

    Raises:
        CheckpointError: there is no such class, or it needs arguments.
    """
    name = dotted.rpartition(".")[2]
    if name in _OWN_FORM and dotted.startswith("torch.nn."):
        return _OWN_FORM[name]
    found = getattr(nn, name, None) if dotted.startswith("torch.nn.") else None
    if not isinstance(found, type) or not issubclass(found, nn.Module):
        raise CheckpointError(f"Unknown activation {dotted!r}; only classes of torch.nn are built.")
    try:
        module = found()
    except TypeError as exc:
        raise CheckpointError(f"Activation {dotted!r} cannot be built without arguments.") from exc
    return torch.no_grad()(module)


def _stored(config: Mapping[str, Any], own: str | None) -> tuple[str, str] | None:
    """Return the dotted name that sentence-transformers wrote, and the key under which."""
    nested = config.get("sentence_transformers")
    found = {
        "config_sentence_transformers.activation_fn": own,
        "sentence_transformers.activation_fn": nested.get("activation_fn") if isinstance(nested, dict) else None,
        "sbert_ce_default_activation_function": config.get("sbert_ce_default_activation_function"),
    }
    for key, value in found.items():
        if value is not None:
            if not isinstance(value, str):
                raise CheckpointError(f"{key} must be the dotted name of a class of torch.nn, found {value!r:.80}.")
            return value, key
    return None


def _as_vllm(dotted: str, key: str, labels: int) -> Activation:
    if not dotted.startswith(_VLLM_PREFIX):
        raise CheckpointError(f"{key} is {dotted!r}; with compat='vllm' it must start with {_VLLM_PREFIX!r}.")
    name = dotted.rpartition(".")[2]
    if name in ("Sigmoid", "Softmax"):
        return _known("auto", labels, key)
    return Activation(name.lower(), build_activation(dotted), key)


def _listed(config: Mapping[str, Any], key: str, known: Mapping[str, str], labels: int) -> Activation | None:
    asked = config.get(key)
    if asked is None:
        return None
    if not isinstance(asked, str) or asked not in known:
        raise CheckpointError(f"config.json has {key} {asked!r:.80}; known are {', '.join(known)}.")
    return _known(known[asked], labels, key)


def _known(name: str, labels: int, source: str) -> Activation:
    shown = ("sigmoid" if labels < 2 else "softmax") if name == "auto" else name
    return Activation(shown, _FUNCTIONS[name], source)
