"""Which models `cenote serve` loads, and under which names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cenote.errors import InvalidRequest

__all__ = ["ServedChoice", "choose_models"]


@dataclass(frozen=True, slots=True)
class ServedChoice:
    """One model to load.

    Attributes:
        model: folder or hub id; None is the demonstration model.
        names: how clients call it, the name that answers carry first.
        unlisted: further names that are accepted but not listed, each with the name that it stands for.
    """

    model: str | None
    names: tuple[str, ...]
    unlisted: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        name, model = self.names[0], self.model
        return repr(name) if model in (None, name) else f"{name!r} ({model})"


def choose_models(words: Sequence[str], served: Sequence[str]) -> list[ServedChoice]:
    """Return the models to load, in order.

    Args:
        words: each a folder or hub id, or `name=` in front of one; none is the demonstration model.
        served: names given apart. One model takes all of them; several take one each, in order.

    Raises:
        InvalidRequest: names that are empty, too few, too many, given twice, or the same for two models.
    """
    _check_names(words, served)
    pairs = [_split(word) for word in words]
    if served and any(name for name, _ in pairs):
        text = "Models are named both as NAME=MODEL and by --served-model-name; use one of them."
        raise InvalidRequest(text, param="served_model_name")
    if len(words) < 2:
        name, model = pairs[0] if pairs else (None, None)
        return [_choice(model, tuple(dict.fromkeys(served)) or ((name,) if name else ()))]
    if served and len(served) != len(words):
        text = (
            f"There are {len(words)} models and {len(served)} served names ({', '.join(served)}); give one name for "
            "each model, in their order."
        )
        raise InvalidRequest(text, param="served_model_name")
    named = [(name, model) for name, (_, model) in zip(served, pairs, strict=True)] if served else pairs
    choices = [_choice(model, (name,) if name else ()) for name, model in named]
    _check_distinct(choices)
    return choices


def _check_names(words: Sequence[str], served: Sequence[str]) -> None:
    if not words and len(served) > 1:
        text = "Several served names and no model: put it first, as in cenote serve MODEL --served-model-name A B."
        raise InvalidRequest(text, param="model")
    for name in served:
        if not name.strip():
            text = "--served-model-name is empty; give a name, or leave the option out."
            raise InvalidRequest(text, param="served_model_name")
        if "/" in name and Path(name).is_dir():
            text = f"The served name {name!r} is a folder: models stand before --served-model-name, names after it."
            raise InvalidRequest(text, param="served_model_name")


def _check_distinct(choices: Sequence[ServedChoice]) -> None:
    owners: dict[str, ServedChoice] = {}
    for choice in choices:
        name = choice.names[0]
        if (first := owners.setdefault(name, choice)) is not choice:
            text = (
                f"Two models would be called {name!r}: {first.model} and {choice.model}. Name them, as in "
                "cenote serve A=MODEL B=MODEL, or with one --served-model-name for each."
            )
            raise InvalidRequest(text, param="served_model_name")


def _split(word: str) -> tuple[str | None, str]:
    """Return the name in front of a model, if any; a path that exists is taken as it stands."""
    name, sign, model = word.partition("=")
    if not sign or Path(word).exists():
        return None, word
    if not name.strip() or not model:
        raise InvalidRequest(f"A model with a name is written NAME=MODEL, not {word!r}.", param="model")
    return name, model


def _choice(model: str | None, names: tuple[str, ...]) -> ServedChoice:
    """Return a choice with its names.

    A folder is listed by its last part: answers do not tell where on the server it lies. Whoever knows the whole
    path may use it, as in other servers.
    """
    if names:
        return ServedChoice(model, names)
    if model is None:
        from cenote.checkpoints.default import DEFAULT_MODEL_ID, DEFAULT_MODEL_NAME

        return ServedChoice(None, (DEFAULT_MODEL_NAME,), {DEFAULT_MODEL_ID: DEFAULT_MODEL_NAME})
    path = Path(model)
    if path.is_dir():
        name = path.resolve().name
        return ServedChoice(model, (name,), {model: name})
    return ServedChoice(model, (model,))
