"""Settings that remember where they came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias, TypeVar

__all__ = ["Resolved", "Source", "first_set"]

T = TypeVar("T")

#: Who decided a value, strongest first.
Source: TypeAlias = Literal["user", "sentence_transformers", "model_default", "pooler_default"]


@dataclass(frozen=True, slots=True)
class Resolved(Generic[T]):
    """A value and who decided it."""

    value: T
    source: Source

    def __str__(self) -> str:
        return f"{self.value} ({self.source})"


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
