"""Kernels of plugins: what they raise or return wrongly is an error that names them.

Only shapes and kinds of numbers are looked at: no number is read, so that a GPU is never waited for. Layers make
several calls each, so that what is added to one must stay near a microsecond.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import TYPE_CHECKING, Any

from cenote.kernels.base import Kernel
from cenote.registry.blame import Blame
from cenote.registry.entry import Entry

if TYPE_CHECKING:
    from cenote.kernels.faults import Fault
    from cenote.kernels.layers import Join, Joined, Layer

__all__ = ["guarded_kernel"]


def guarded_kernel(entry: Entry, kernel: Kernel) -> Kernel:
    """Return a kernel whose calls are errors of the plugin wherever they fail."""
    from cenote.kernels.faults import FAULTS, no_fault, product_fault  # imports torch, which the kernel needs as well

    blame, operator = Blame.of("kernel", entry), entry.name.partition(":")[0]
    checked = _checked(blame, kernel, FAULTS.get(operator, no_fault))

    def prepare(*args: Any, **kwargs: Any) -> Any:
        product = checked(*args, **kwargs)
        width = len(args[0] if args else kwargs["weight"])
        # Whoever joins layers looks for its own product behind this (`kernels.layers`).
        return update_wrapper(_checked(blame, product, product_fault(width)), product, assigned=())

    guarded: Any = update_wrapper(prepare if operator == "linear" else checked, kernel)
    if (join := getattr(kernel, "join", None)) is not None:
        guarded.join = _guarded_join(blame, join)
    return guarded  # type: ignore[no-any-return]


def _checked(blame: Blame, function: Callable[..., Any], fault: Fault) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            result = function(*args, **kwargs)
            found = fault(result, args, kwargs)
        except BaseException as exc:  # as Blame.call has it, without the cost of a further call
            return blame.reraise(exc)
        if found:
            raise blame.wrong(f"returned {found}")
        return result

    return call


def _guarded_join(blame: Blame, join: Join) -> Join:
    from cenote.kernels.faults import joined_fault

    def call(layers: Sequence[Layer]) -> Joined | None:
        joined = blame.call(join, layers)
        return None if joined is None else _checked(blame, joined, joined_fault(len(layers)))

    return call
