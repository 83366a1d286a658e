"""Numbers on the command line of a benchmark, refused in one line before anything is loaded or measured for them."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable

from cenote.errors import InvalidRequest

__all__ = ["ROUNDS", "docstring_count", "whole"]

#: More say nothing that these do not.
ROUNDS = 1000
#: Characters of a value that an error repeats.
_SHOWN = 40


def whole(least: int = 1, most: int | None = None, why: str = "") -> Callable[[str], int]:
    """Return the `type` of an argument that is a whole number.

    Args:
        least: the smallest that is accepted.
        most: the largest one, if any.
        why: what sets the bounds, such as `the processors of this process`.
    """
    until = "or more" if most is None else f"to {most}"
    wanted = f"a whole number, {least} {until}{f' ({why})' if why else ''}"

    def read(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            raise _refusal(value, wanted) from None
        if number < least or (most is not None and number > most):
            raise _refusal(value, wanted)
        return number

    return read


def docstring_count(least: int = 1, why: str = "") -> Callable[[str], int]:
    """Return the `type` of an argument that is a number of docstrings of Python's standard library.

    Args:
        least: the smallest that is accepted.
        why: what sets it.
    """

    def read(value: str) -> int:
        from cenote.testing.corpus import docstrings

        count = whole(least, why=why)(value)
        try:
            docstrings(count)  # reads the library once per process, which the benchmark would do next
        except InvalidRequest as exc:
            raise ArgumentTypeError(str(exc)) from None
        return count

    return read


def _refusal(value: str, wanted: str) -> ArgumentTypeError:
    shown = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}..."
    return ArgumentTypeError(f"{shown!r} was given; give {wanted}")
