"""Answers of IO processors: as JSON, and compared number by number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_jsonable_python

__all__ = ["as_json", "assert_same_answer"]


def as_json(data: Any) -> Any:
    """Return what a client would read, of values and pydantic models.

    Raises:
        PydanticSerializationError: something in it cannot be JSON.
    """
    return to_jsonable_python(data, by_alias=True)


def assert_same_answer(found: Any, expected: Any, *, tolerance: float, name: str = "answer") -> None:
    """Fail unless two JSON values have the same form, texts and integers, and floats within `tolerance`.

    Args:
        found: as `as_json` gives it.
        expected: the same.
        tolerance: of two numbers, divided by the larger one where that is above 1.
        name: what is compared, for the message.
    """
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        assert sorted(found) == sorted(expected), f"{name}: has other members"
        for key, value in expected.items():
            assert_same_answer(found[key], value, tolerance=tolerance, name=f"{name}.{key}")
    elif isinstance(expected, list) and isinstance(found, list):
        assert len(found) == len(expected), f"{name}: has another length"
        for index, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_same_answer(one, other, tolerance=tolerance, name=f"{name}[{index}]")
    elif isinstance(expected, float) and _is_number(found):
        difference = abs(found - expected) / max(1.0, abs(expected))
        assert difference <= tolerance, f"{name}: found {found}, expected {expected}"
    else:
        assert found == expected, name


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
