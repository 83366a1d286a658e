"""Settings that remember where they came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Literal, Self, TypeAlias, TypeVar

__all__ = ["Fact", "Resolved", "Source", "first_set"]

T = TypeVar("T")

#: Who decided a value, strongest first.
Source: TypeAlias = Literal["user", "sentence_transformers", "model_default", "pooler_default"]


class Fact(str):
    """One line of a model's report, which also remembers its parts.

    Attributes:
        value: what holds; of a kind that JSON knows where that matters.
        source: who or what decided it, or empty.
    """

    __slots__ = ("source", "value")

    value: Any
    source: str

    def __new__(cls, value: object, source: str = "", text: str | None = None) -> Self:
        """Make a line.

        Args:
            value: what holds.
            source: who or what decided it.
            text: the line; None is the value, with the source in brackets.
        """
        if text is None:
            shown = ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
            text = f"{shown} ({source})" if source else shown
        made = super().__new__(cls, text)
        made.value, made.source = value, source
        return made


@dataclass(frozen=True, slots=True)
class Resolved(Generic[T]):
    """A value and who decided it. Its text is a `Fact`."""

    value: T
    source: Source

    def __str__(self) -> str:
        return Fact(self.value, self.source)


def first_set(
    *, user: T | None, sentence_transformers: T | None = None, model: T | None = None, default: T
) -> Resolved[T]:
    """Return the first value that is not None, in the order user, Sentence-Transformers files, model, default."""
    if user is not None:
        return Resolved(user, "user")
    if sentence_transformers is not None:
        return Resolved(sentence_transformers, "sentence_transformers")
    if model is not None:
        return Resolved(model, "model_default")
    return Resolved(default, "pooler_default")
