"""What a processor returns, as data that JSON can hold: checked, and without NaN or infinity."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

__all__ = ["NoAnswer", "json_ready"]


class NoAnswer(ValueError):
    """Something that JSON cannot hold; the text says what and where."""


def json_ready(value: Any, response: type[BaseModel] | None) -> Any:
    """Return an answer as mappings, lists, texts, numbers, booleans and None.

    Models of pydantic, dataclasses, arrays of numpy, tensors of torch, dates and the like are converted.

    Args:
        value: what `post_process` returned.
        response: the model of the answer, or None for anything.

    Raises:
        NoAnswer: a number is NaN or infinite, or something has no form in JSON.
        pydantic.ValidationError: it is none of `response`.
    """
    plain = _dumped(value)
    if response is not None and not isinstance(value, response):
        plain = _dumped(response.model_validate(plain))
    _check_finite(plain, "data")
    return plain


def _dumped(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, fallback=_convert, warnings="error")
    return to_jsonable_python(value, by_alias=True, fallback=_convert, inf_nan_mode="constants")


def _convert(value: Any) -> Any:
    """Return what pydantic does not know, from what can be an array, in its own words."""
    if type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "detach"):
        value = value.detach().cpu()
        value = (value.to_dense() if value.is_sparse else value).tolist()
    elif isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    else:
        raise NoAnswer(f"{type(value).__name__}, which has no form in JSON")
    return value


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
