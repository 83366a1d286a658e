"""What a kernel is: one implementation of an operator."""

from __future__ import annotations

import inspect
from typing import Any, Protocol

__all__ = ["Kernel", "check_kernel"]


class Kernel(Protocol):
    """One implementation of an operator, named `operator:backend`.

    Arguments and result are those of the operator, whose `reference` backend states them: an implementation takes the
    same keywords, gives tensors of the same names, shapes and dtypes, and leaves its inputs as they are. An operator of
    one's own is a new name with a `reference` of its own, which `get_kernel` then finds by the same rules.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute."""
        ...


def check_kernel(value: Any) -> None:
    """Refuse what is no kernel.

    Raises:
        TypeError: it is a class, cannot be called, or takes no arguments.
    """
    if isinstance(value, type) or not callable(value):
        found = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
        raise TypeError(f"a kernel is a function, not {found}")
    try:
        parameters = inspect.signature(value).parameters
    except ValueError:  # written in another language, and says nothing
        return
    if not parameters:
        raise TypeError("a kernel takes the arguments of its operator; this one takes none")
