"""Which tests of a conformance class apply: a test names what it needs, a class says what it has.

A test that needs what the class under test has not is deselected by `cenote.testing.pytest_plugin`, and pytest counts
it as deselected: what is reported as passed was computed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["Capable", "needs"]

Test = TypeVar("Test", bound=Callable[..., Any])


def needs(*names: str) -> Callable[[Test], Test]:
    """Mark a test of a conformance class with the capabilities that it needs, all of them."""

    def mark(test: Test) -> Test:
        test.cenote_needs = names  # type: ignore[attr-defined]
        return test

    return mark


class Capable:
    """A conformance class; subclasses say what they have."""

    @classmethod
    def capabilities(cls) -> frozenset[str]:
        """Return what the subject of the tests can do, by the names that `needs` uses."""
        return frozenset()

    @classmethod
    def missing(cls, name: str) -> NotImplementedError:
        """Return the error for a fixture or an attribute that a subclass must give."""
        return NotImplementedError(f"{cls.__name__} must override {name}.")
