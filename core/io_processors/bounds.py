"""How much a request's `data` may hold, told before each of its elements is looked at.

A model of pydantic complains of every wrong element, which for millions of them takes seconds and gigabytes.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from cenote.errors import InvalidRequest

__all__ = ["check_data"]

#: Elements that are no numbers, in all lists and mappings, for each item that a request may have.
_ELEMENTS = 8
#: Numbers in all lists for each such item: by default enough for an image of 256 x 256 pixels with three colors.
_NUMBERS = 32
_DEEPEST = 128
#: Characters of a path, which has the client's keys.
_LONGEST = 200


def check_data(data: Any, most: int) -> None:
    """Refuse data that is too large.

    A list that holds anything but numbers has at most `most` elements. In all lists and mappings together there are at
    most 8 times as many elements that are no numbers (a row of a matrix is one), and 32 times as many numbers.

    Args:
        data: from JSON.
        most: items that a request may have.

    Raises:
        InvalidRequest: it holds too much, or is nested too deep.
    """
    elements = numbers = 0
    left = [("data", data, 1)]
    while left:
        path, value, depth = left.pop()
        if not isinstance(value, list | dict):
            continue
        if depth > _DEEPEST:
            raise InvalidRequest(f"data is nested more than {_DEEPEST} levels deep, at {path}.", param="data")
        here = _count_numbers(path, value, most)
        numbers += here
        elements += len(value) - here
        _check("elements that are no numbers", elements, most * _ELEMENTS)
        _check("numbers in lists", numbers, most * _NUMBERS)
        if here < len(value):
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            left += [
                (f"{path}.{key}"[:_LONGEST], item, depth + 1) for key, item in pairs if isinstance(item, list | dict)
            ]


def _count_numbers(path: str, value: list[Any] | dict[str, Any], most: int) -> int:
    """Return how many numbers a list holds; 0 for a mapping, whose keys count."""
    if isinstance(value, dict):
        return 0
    if len(value) > most * _NUMBERS:
        text = (
            f"{path} has {len(value)} elements; at most {most} are allowed, {most * _NUMBERS} where they are numbers."
        )
        raise InvalidRequest(text, param=path)
    kinds = Counter(map(type, value))
    numbers = kinds[int] + kinds[float]
    if numbers < len(value) > most:
        raise InvalidRequest(f"{path} has {len(value)} elements; at most {most} are allowed.", param=path)
    return numbers


def _check(what: str, found: int, most: int) -> None:
    if found > most:
        raise InvalidRequest(f"data has {found} or more {what}; at most {most} are allowed.", param="data")
