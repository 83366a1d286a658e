"""What a device can do at best, measured: bytes it moves in a second, and operations of its matrix products."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cenote.kernels.offers import kernel_offers
from cenote.testing.bench.kernels.clock import seconds_of

__all__ = ["Ceilings", "measure_ceilings"]


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Rates of a device.

    Attributes:
        memory: bytes per second of a copy that no cache holds, reads and writes together.
        products: operations per second of square matrix products, by dtype.
    """

    memory: float
    products: dict[str, float]

    def least_seconds(self, operations: int, bytes_moved: int, dtype: str) -> tuple[float, str]:
        """Return the time that work takes at least, and what sets it: `memory` or `products`."""
        moving = bytes_moved / self.memory
        computing = operations / self.products[dtype] if operations and dtype in self.products else 0.0
        return max((moving, "memory"), (computing, "products"))


def measure_ceilings(device: str, dtypes: list[str], *, copied: int, side: int) -> Ceilings:
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
    return Ceilings(moved, {dtype: 2 * side**3 / _fastest(dtype, device, side) for dtype in dtypes})


def _fastest(dtype: str, device: str, side: int) -> float:
    """Return the seconds of the fastest product: torch's own, or that of any backend of `linear`."""
    kind = torch.float32 if dtype == "int8" else getattr(torch, dtype)
    left, right = (torch.randn(side, side, device=device, dtype=kind) for _ in range(2))
    calls: list[Callable[[], Any]] = [_whole(left, right)] if dtype == "int8" else [lambda: left @ right]
    for offer in kernel_offers("linear", torch.device(device).type):
        if offer.kernel is not None and not offer.reason and offer.backend != "reference" and dtype != "int8":
            product = offer.kernel(right, None)
            calls.append(lambda product=product: product(left))  # type: ignore[misc]
    found = []
    for call in calls:
        with contextlib.suppress(RuntimeError):  # what this device has no product for
            found.append(seconds_of(call, device))
    return min(found, default=float("inf"))


def _whole(left: Tensor, right: Tensor) -> Callable[[], Any]:
    rows, columns = (tensor.mul(40).round().clamp(-127, 127).to(torch.int8) for tensor in (left, right))
    return lambda: torch._int_mm(rows, columns)
