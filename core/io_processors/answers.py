"""What a processor returns, as data that JSON can hold: checked, and without NaN or infinity."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

__all__ = ["NoAnswer", "json_ready", "settled"]

_PLAIN = (str, bytes, int, float, type(None))
_NUMBERS = frozenset((bool, int, float))


class NoAnswer(ValueError):
    """Something that JSON cannot hold; the text says what and where."""


def settled(value: Any) -> Any:
    """Return an answer that can be read more than once: iterators in it have become lists, all else is as it was.

    Raises:
        NoAnswer: it holds a number or a time that JSON would have as a text or null, such as a complex number, or a
            model with an iterator.
    """
    return _settled(value, "data")


def json_ready(value: Any, response: type[BaseModel] | None) -> Any:
    """Return an answer as mappings, lists, texts, numbers, booleans and None.

    Models of pydantic, dataclasses, arrays of numpy, tensors of torch, dates and the like are converted.

    Args:
        value: what `post_process` returned, settled.
        response: the model of the answer, or None for anything.

    Raises:
        NoAnswer: a number is NaN or infinite, or something has no form in JSON.
        pydantic.ValidationError: it is none of `response`.
    """
    if response is None or type(value) is response:
        plain = _dumped(value)
    elif isinstance(value, response):  # of a class derived from it, which may hold more, and other things
        fields = _dumped(value, by_alias=False)
        plain = _dumped(response.model_validate(fields, by_alias=False, by_name=True))
    else:
        plain = _dumped(response.model_validate(_dumped(value)))
    _check_finite(plain, "data")
    return plain


def _settled(value: Any, path: str) -> Any:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, complex):
        raise NoAnswer(f"a complex number, {path}, which has no form in JSON")
    if isinstance(value, Decimal) and not value.is_finite():
        raise NoAnswer(f"a number that is not finite, {path}")
    if isinstance(value, date | timedelta) and value != value:  # NaT of pandas, which is a datetime
        raise NoAnswer(f"a time that is none, {path}")
    if isinstance(value, Iterator):
        return _settled(list(value), path)
    if type(value) in (list, tuple):
        return _settled_list(value, path)
    parts = _parts(value)
    changed = {name: new for name, item in parts.items() if (new := _settled(item, f"{path}.{name}")) is not item}
    if not changed:
        return value
    if isinstance(value, BaseModel):  # whose field wants an iterator, so that it cannot be given a list
        raise NoAnswer(f"an iterator in a model, {path}.{next(iter(changed))}, which can be read only once")
    return {**value, **changed} if isinstance(value, Mapping) else replace(value, **changed)


def _settled_list(value: Any, path: str) -> Any:
    if _NUMBERS.issuperset(map(type, value)):
        return value  # most lists, and long ones always
    items = [_settled(item, f"{path}.{place}") for place, item in enumerate(value)]
    is_same = all(new is old for new, old in zip(items, value, strict=True))
    return value if is_same else type(value)(items)


def _parts(value: Any) -> dict[Any, Any]:
    """Return what a mapping, a model, a dataclass or a collection holds."""
    if isinstance(value, BaseModel):
        return {**value.__dict__, **(value.model_extra or {})}
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: getattr(value, item.name, None) for item in fields(value) if item.init}
    if isinstance(value, Mapping):
        return dict(value)
    return dict(enumerate(value)) if isinstance(value, set | frozenset) else {}


def _dumped(value: Any, *, by_alias: bool = True) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=by_alias, fallback=_convert, warnings="error")
    return to_jsonable_python(value, by_alias=True, fallback=_convert, inf_nan_mode="constants")


def _convert(value: Any) -> Any:
    """Return what pydantic does not know, from what can be an array, in its own words."""
    if type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.to_dense() if value.is_sparse else value
        if value.is_complex():
            raise NoAnswer("complex numbers, which have no form in JSON")
        return value.tolist()
    if not isinstance(value, np.ndarray | np.generic):
        raise NoAnswer(f"{type(value).__name__}, which has no form in JSON")
    kind = value.dtype.kind
    if kind == "c":
        raise NoAnswer("complex numbers, which have no form in JSON")
    if kind in "mM" and np.isnat(value).any():
        raise NoAnswer("a time that is none")
    return settled(value.tolist()) if kind == "O" else value.tolist()


def _check_finite(value: Any, path: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise NoAnswer(f"a number that is not finite, {path}")
    if isinstance(value, Mapping):
        for key, item in value.items():
            _check_finite(item, f"{path}.{key}")
    elif isinstance(value, list) and not _are_finite(value):
        for place, item in enumerate(value):
            _check_finite(item, f"{path}.{place}")


def _are_finite(items: list[Any]) -> bool:
    """Tell whether a list holds numbers only, all of them finite; most lists do, and long ones always."""
    try:
        return all(map(math.isfinite, items))
    except (TypeError, OverflowError):
        return False
