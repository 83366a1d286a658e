"""What the Triton kernels share: how lengths get to the device, and which types are multiplied.

Importing this module imports Triton, so only the backends of that name do.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from itertools import accumulate

import torch
import triton  # type: ignore[import-untyped]
import triton.language as tl  # type: ignore[import-untyped]
from torch import Tensor
from triton.runtime.interpreter import InterpretedFunction  # type: ignore[import-untyped]

__all__ = ["columns_of", "device_of", "on_device", "product_type", "row_starts"]

_PRODUCT_TYPES = {torch.float16: tl.float16, torch.bfloat16: tl.bfloat16, torch.int8: tl.int8}


def device_of(tensor: Tensor) -> AbstractContextManager[None]:
    """Launch on the GPU of a tensor, which may be another than the current one; elsewhere, change nothing."""
    guard: AbstractContextManager[None] = torch.cuda.device_of(tensor)  # type: ignore[no-untyped-call]
    return guard


def on_device(numbers: Sequence[int], device: torch.device, dtype: torch.dtype = torch.int32) -> Tensor:
    """Copy whole numbers of the host to a device without waiting for it.

    From pinned memory a GPU fetches them when it comes to it; a copy from ordinary memory would hold the caller up
    until everything before it has been computed.
    """
    values = torch.tensor(numbers, dtype=dtype)
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)


@lru_cache(maxsize=64)
def row_starts(lengths: tuple[int, ...], device: torch.device) -> Tensor:
    """Return [n + 1] int64 on the device: where sequences that lie end to end begin, and where the last one ends.

    All layers of a batch ask for the same, so what was copied is kept.
    """
    return on_device(list(accumulate(lengths, initial=0)), device, torch.int64)


def columns_of(width: int, least: int = 16) -> int:
    """Return the power of two that a tile needs for so many columns; `tl.dot` takes none under 16."""
    return max(least, int(triton.next_power_of_2(width)))


def product_type(dtype: torch.dtype, kernel: object) -> tl.dtype:
    """Return the type in which a kernel multiplies numbers: float32 for all that tensor cores do not take as it is.

    The interpreter multiplies the bits of bfloat16 numbers as if they were whole ones; it gets them as float32.
    """
    if dtype == torch.bfloat16 and isinstance(kernel, InterpretedFunction):
        return tl.float32
    return _PRODUCT_TYPES.get(dtype, tl.float32)
