"""Values of settings files, of the kinds that they must have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_args

from cenote.errors import CheckpointError
from cenote.types import Role

__all__ = ["Reader", "flag", "length", "roles", "text", "texts", "token_ids"]

T = TypeVar("T")

_ROLES = get_args(Role)


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


def roles(value: Any) -> tuple[str, ...]:
    """Return what texts are for, of one name or a list.

    Raises:
        ValueError: a name is neither `query` nor `document`.
    """
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(name in _ROLES for name in names):
        raise ValueError("query, document, or a list of them")
    return tuple(names)


def token_ids(value: Any) -> tuple[int, ...]:
    """Return the ids of a list.

    Raises:
        ValueError: it is no list of numbers from 0 on.
    """
    plain = isinstance(value, list | tuple) and all(type(item) is int and item >= 0 for item in value)
    if not plain:
        raise ValueError("a list of token ids")
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
