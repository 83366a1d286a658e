"""Fields of other services' bodies, brought to the native ones: each dialect says which of its fields means what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel

from cenote.errors import InvalidRequest

__all__ = ["Synonym", "blame_as_sent", "natively"]

#: The dialect's field, the native field, and the value that this one gets.
Synonym: TypeAlias = tuple[str, str, Any]
M = TypeVar("M", bound=BaseModel)


def natively(body: M, synonyms: Iterable[Synonym]) -> M:
    """Return a body whose native fields say what the dialects' fields say.

    Args:
        body: validated, so that values of the dialects have the right types.
        synonyms: of every dialect whose fields the body has.

    Raises:
        InvalidRequest: one thing is said twice, and differently.
    """
    said = {name: (name, getattr(body, name)) for name in body.model_fields_set}
    for field, native, value in synonyms:
        other, found = said.get(native, (field, value))
        if found != value:
            text = f"{field} and {other} contradict each other; send one of them."
            raise InvalidRequest(text, param=field)
        said[native] = (field, value)
    return body.model_copy(update={name: value for name, (_, value) in said.items()})


@contextmanager
def blame_as_sent(synonyms: Iterable[Synonym]) -> Iterator[None]:
    """Let errors within the block name the fields that the client sent, not the native ones that they became."""
    names: Mapping[str | None, str] = {native: field for field, native, _ in synonyms}
    try:
        yield
    except InvalidRequest as exc:
        exc.param = names.get(exc.param, exc.param)
        raise
