"""Numeric operators, each with a plain `reference` and faster backends, chosen by device.

Importing this package loads no torch; `get_kernel` imports the one implementation that is asked for.
"""

from cenote.kernels.base import Kernel
from cenote.kernels.dispatch import (
    OPERATORS,
    backend_of,
    check_forced_kernels,
    get_kernel,
    kernel_for,
    raise_if_forced,
)

__all__ = ["OPERATORS", "Kernel", "backend_of", "check_forced_kernels", "get_kernel", "kernel_for", "raise_if_forced"]
