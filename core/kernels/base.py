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

    A function may have two attributes, which say where it is taken without being asked for:

    - `devices`, a tuple of device types such as `("cuda",)`: the devices that it is for, and no others;
    - `priority`, a whole number, 0 if missing: of those for a device, the highest is taken. The backends `triton`,
      `cpu` and `reference` of the core have 20, 10 and 0, and go first among equals.

    A third, `about`, is a short text on what it uses on this machine, such as `avx512`: `cenote env --full` shows it.

    To set `devices` is to offer the kernel to everybody who installs the plugin and does not switch it off. One without
    `devices` is taken where `CENOTE_KERNELS` names it; if it is called `triton`, `cpu` or `reference`, also where the
    core has none for the operator. What it raises, or returns in a wrong shape or dtype, is an error that names it.

    A kernel of `linear` may have an attribute `join` (`cenote.kernels.layers.Join`): from the layers of a model whose
    operators are all its own it makes one function, which is taken where it gives what these give.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute."""
        ...


def check_kernel(value: Any) -> None:
    """Refuse what is no kernel.

    Raises:
        TypeError: it is a class, cannot be called, or takes no arguments, or its `devices` or `priority` is of another
            kind.
    """
    if isinstance(value, type) or not callable(value):
        found = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
        raise TypeError(f"a kernel is a function, not {found}")
    _check_place(value)
    try:
        parameters = inspect.signature(value).parameters
    except ValueError:  # written in another language, and says nothing
        return
    if not parameters:
        raise TypeError("a kernel takes the arguments of its operator; this one takes none")


def _check_place(value: Any) -> None:
    devices, priority = getattr(value, "devices", ()), getattr(value, "priority", 0)
    if not isinstance(devices, tuple) or not all(isinstance(device, str) for device in devices):
        raise TypeError(f"devices of a kernel is a tuple of device types, such as ('cuda',), not {devices!r:.80}")
    if type(priority) is not int:
        raise TypeError(f"priority of a kernel is a whole number, not {priority!r:.80}")
