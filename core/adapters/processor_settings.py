"""What a model's processor was saved with: prefixes, prompts and lengths, and who said so."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from cenote.checkpoints import Checkpoint
from cenote.checkpoints.files import read_object
from cenote.config import Fact
from cenote.errors import CheckpointError

__all__ = ["CODE", "Setting", "Settings", "count", "read_settings", "text"]

#: Files that processors save their settings in; the first one that has a setting is believed.
_FILES = ("processor_config.json", "preprocessor_config.json")
#: Where a user says otherwise: `hf_overrides={"late_interaction": {...}}`.
_OVERRIDE = "late_interaction"
#: Who says what no file says.
CODE = "default of the model's code"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a processor.

    Attributes:
        kind: returns a valid value, and raises `ValueError` with what is needed for another one.
        default: of the processor's class.
    """

    kind: Callable[[Any], Any]
    default: Any


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a checkpoint's processor.

    Attributes:
        values: by name.
        sources: by name, who decided.
    """

    values: Mapping[str, Any]
    sources: Mapping[str, str]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def facts(self, without: Collection[str] = ()) -> dict[str, str]:
        """Return what a model's report says of them, but for some."""
        return {
            name.replace("_", " "): Fact(value, self.sources[name], text=f"{value!r} ({self.sources[name]})")
            for name, value in self.values.items()
            if name not in without
        }


def read_settings(checkpoint: Checkpoint, known: Mapping[str, Setting]) -> Settings:
    """Read the settings that a processor has: the user's, else its files', else its class's.

    Raises:
        CheckpointError: a value is of another kind, or the user gives a setting that the processor does not have.
    """
    wanted = checkpoint.config.get(_OVERRIDE)
    if wanted is not None and (not isinstance(wanted, Mapping) or not set(wanted) <= set(known)):
        found = ", ".join(sorted(set(map(str, wanted)) - set(known))) if isinstance(wanted, Mapping) else repr(wanted)
        raise CheckpointError(f"{_OVERRIDE} must be a mapping; known keys are {', '.join(known)}, not {found}.")
    places: list[tuple[str, Mapping[str, Any]]] = [(_OVERRIDE, wanted or {})]
    places += [(name, read_object(checkpoint.path / name)) for name in _FILES if checkpoint.has_file(name)]
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for name, setting in known.items():
        place, value = next(
            ((place, given[name]) for place, given in places if given.get(name) is not None),
            (CODE, setting.default),
        )
        try:
            values[name] = setting.kind(value)
        except ValueError as exc:
            raise CheckpointError(f"{place}: {name} must be {exc}, found {value!r:.80}.") from exc
        sources[name] = "user" if place == _OVERRIDE else place
    return Settings(values, sources)


def text(value: Any) -> str:
    """Return a text.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, str):
        raise ValueError("a text")
    return value


def count(value: Any) -> int:
    """Return a number of tokens.

    Raises:
        ValueError: it is no whole number above 0.
    """
    if type(value) is not int or value < 1:
        raise ValueError("a whole number from 1 on")
    return value
