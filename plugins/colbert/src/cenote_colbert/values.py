"""Values of settings files, of the kinds that they must have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cenote.errors import CheckpointError

__all__ = ["Reader", "flag", "length", "text", "texts"]

T = TypeVar("T")


def length(value: Any) -> int:
    """Return a positive whole number.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("a positive whole number")
    return value


def flag(value: Any) -> bool:
    """Return true or false.

    Raises:
        ValueError: it is neither.
    """
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def text(value: Any) -> str:
    """Return a text.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, str):
        raise ValueError("a text")
    return value


def texts(value: Any) -> tuple[str, ...]:
    """Return the texts of a list.

    Raises:
        ValueError: it is no list of texts.
    """
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise ValueError("a list of texts")
    return tuple(value)


@dataclass(slots=True)
class Reader:
    """Takes settings from one file, remembering which it had.

    Attributes:
        values: of the file.
        name: of the file.
        library: whose defaults hold for what the file leaves out.
        sources: by the name of a setting, who decided it.
    """

    values: Mapping[str, Any]
    name: str
    library: str
    sources: dict[str, str] = field(default_factory=dict)

    def take(self, setting: str, key: str, kind: Callable[[Any], T], default: T) -> T:
        """Return the value under a key, or the default where it is missing or null.

        Raises:
            CheckpointError: it is of another kind.
        """
        value = self.values.get(key)
        if value is None:
            self.sources[setting] = f"default of {self.library}"
            return default
        self.sources[setting] = self.name
        try:
            return kind(value)
        except ValueError as exc:
            raise CheckpointError(f"{self.name}: {key} must be {exc}, found {value!r:.80}.") from exc
