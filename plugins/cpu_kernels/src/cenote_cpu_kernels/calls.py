"""Arguments of compiled functions, made of tensors."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from cenote_cpu_kernels.library import library

__all__ = [
    "ACTIVATIONS",
    "DTYPES",
    "NO_ACTIVATION",
    "address",
    "fits",
    "flat_rows",
    "float_vector",
    "function",
    "is_taken",
]

#: Numbers that the compiled functions read and write, by the numbers of `native/isa.h`.
DTYPES = {torch.float32: 0, torch.bfloat16: 1}
#: Activations by the numbers of `native/isa.h`.
ACTIVATIONS: dict[str, int] = {"gelu": 1, "gelu_tanh": 2, "silu": 3, "relu": 4, "quick_gelu": 5}
NO_ACTIVATION = 0
#: Of the letters that `function` takes.
_TYPES = {"i": ctypes.c_int, "n": ctypes.c_int64, "p": ctypes.c_void_p, "f": ctypes.c_float}


@lru_cache(maxsize=64)
def function(name: str, types: str, result: Any = None) -> Callable[..., Any]:
    """Return a compiled function.

    Args:
        name: of the function.
        types: of its arguments, one letter each: `i` int, `n` int64, `p` an address, `f` float.
        result: the ctypes type of what it returns, or None.

    Raises:
        MissingDependency: there is no compiled object.
    """
    found = getattr(library(), name)
    found.argtypes, found.restype = [_TYPES[letter] for letter in types], result
    return found  # type: ignore[no-any-return]


def is_taken(*tensors: Tensor | None) -> bool:
    """Tell whether the compiled functions read each of these."""
    return all(tensor is None or (tensor.is_cpu and tensor.dtype in DTYPES) for tensor in tensors)


def fits(tensor: Tensor | None, *shape: int) -> bool:
    """Tell whether the compiled functions may read as many numbers as a shape has; None is read by none."""
    return tensor is None or (tensor.is_cpu and tensor.shape == shape)


def flat_rows(rows: Tensor) -> Tensor:
    """Return [..., h] as [n, h], each row in one piece; a view where that is possible."""
    flat = rows if rows.ndim == 2 else rows.reshape(-1, rows.shape[-1])
    return flat if flat.stride(1) == 1 else flat.contiguous()


def float_vector(vector: Tensor | None) -> Tensor | None:
    """Return a weight or bias as float32 in one piece."""
    return None if vector is None else vector.float().contiguous()


def address(tensor: Tensor | None) -> int | None:
    """Return where a tensor begins; None where there is none."""
    return None if tensor is None else tensor.data_ptr()
