"""What a device can do at best, measured: bytes it moves in a second, and operations of its matrix products."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from cenote.errors import CenoteError
from cenote.kernels import Kernel
from cenote.kernels.offers import kernel_offers
from cenote.testing.bench.kernels.clock import seconds_of

__all__ = ["COPIED", "FAILURES", "SIDE", "Ceilings", "measure_ceilings"]

#: Bytes that are copied, several times as many as caches of processors hold, and sides of square products: of one size
#: whatever work is measured beside them.
COPIED, SIDE = 1 << 28, 2048
#: What a backend raises that does not compute something.
FAILURES = (CenoteError, RuntimeError, ValueError, NotImplementedError)


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Rates of a device.

    Attributes:
        memory: bytes per second of a copy that no cache holds, reads and writes together.
        products: operations per second of square matrix products, by dtype.
        copied: bytes of the tensor that was copied.
        side: rows and columns of the matrices.
    """

    memory: float
    products: dict[str, float]
    copied: int = COPIED
    side: int = SIDE

    def least_seconds(self, operations: int, bytes_moved: int, dtype: str) -> tuple[float, str]:
        """Return the time that work takes at least, and what sets it: `memory` or `products`."""
        moving = bytes_moved / self.memory
        computing = operations / self.products[dtype] if operations and dtype in self.products else 0.0
        return max((moving, "memory"), (computing, "products"))


def measure_ceilings(device: str, dtypes: list[str], *, copied: int = COPIED, side: int = SIDE) -> Ceilings:
    """Measure a device.

    Args:
        device: torch device string.
        dtypes: of the products, `int8` among them if wished.
        copied: bytes of the tensor that is copied.
        side: rows and columns of the square matrices.
    """
    source = torch.ones(copied // 4, device=device)
    target = torch.empty_like(source)
    moved = 2 * source.numel() * 4 / seconds_of(lambda: target.copy_(source), device)
    return Ceilings(moved, {dtype: 2 * side**3 / _fastest(dtype, device, side) for dtype in dtypes}, copied, side)


def _fastest(dtype: str, device: str, side: int) -> float:
    """Return the seconds of the fastest product: torch's own, or that of any backend of `linear`."""
    is_int8 = dtype == "int8"
    kind = torch.float32 if is_int8 else getattr(torch, dtype)
    left, right = (torch.randn(side, side, device=device, dtype=kind) for _ in range(2))
    makers: list[Callable[[], Callable[[], Any]]] = [lambda: _whole(left, right) if is_int8 else lambda: left @ right]
    for offer in kernel_offers("linear", torch.device(device).type):
        if offer.kernel is not None and not offer.reason and offer.backend != "reference":
            makers.append(partial(_prepared, offer.kernel, left, right, "int8" if is_int8 else None))
    found = []
    for make in makers:
        with contextlib.suppress(*FAILURES):  # what this device has no product for
            found.append(seconds_of(make(), device))
    return min(found, default=float("inf"))


def _prepared(kernel: Kernel, left: Tensor, right: Tensor, quantization: str | None) -> Callable[[], Any]:
    return partial(kernel(right, None, quantization=quantization), left)


def _whole(left: Tensor, right: Tensor) -> Callable[[], Any]:
    rows, columns = (tensor.mul(40).round().clamp(-127, 127).to(torch.int8) for tensor in (left, right))
    return lambda: torch._int_mm(rows, columns)
