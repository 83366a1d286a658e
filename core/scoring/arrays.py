"""Arrays of numpy and torch, as other programs hold them, seen as tensors without a copy."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from cenote.errors import WrongType

__all__ = ["as_tensor", "is_array"]

_TYPES = (torch.float32, torch.float16, torch.bfloat16, torch.int8, torch.float64)


def is_array(value: Any) -> bool:
    """Tell whether a value is an array of numpy or a tensor."""
    return isinstance(value, np.ndarray | Tensor)


def as_tensor(value: Any, name: str) -> Tensor:
    """Return an array as a tensor without its history of gradients, which shares its memory where torch can walk it.

    Raises:
        WrongType: it is no array, a masked one, or not of float32, float16, bfloat16, int8 or float64.
    """
    if not is_array(value):
        text = f"{name} must be a numpy array or a torch tensor, not {type(value).__name__}."
        raise WrongType(text, param=name.partition("[")[0])
    if isinstance(value, np.ma.MaskedArray):
        text = (
            f"{name} is a masked array, whose masked values would be scored; give one without (filled(), compressed())."
        )
        raise WrongType(text, param=name.partition("[")[0])
    try:
        found = _shared(value) if isinstance(value, np.ndarray) else value.detach() if value.requires_grad else value
    except TypeError:
        found = None  # a type of numpy that torch does not know
    if found is None or found.dtype not in _TYPES:
        text = f"{name} holds {value.dtype}; float32, float16, bfloat16, int8 and float64 can be scored."
        hint = " cenote.scoring.unpack_bits makes int8 of packed bits." if str(value.dtype).endswith("uint8") else ""
        raise WrongType(text.replace("torch.", "") + hint, param=name.partition("[")[0])
    return found


def _shared(array: np.ndarray[Any, Any]) -> Tensor:
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if any(step < 0 or step % array.itemsize for step in array.strides):
        array = array.copy()  # torch walks neither backwards nor by parts of a number
    if array.flags.writeable:
        return torch.from_numpy(array)
    return torch.from_numpy(np.asarray(_Writable(array)))


class _Writable:
    """The memory of a read-only array, such as a file mapped for reading. torch would warn, though we only read."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        interface = array.__array_interface__
        self.array = array  # keeps the memory
        self.__array_interface__ = {**interface, "data": (interface["data"][0], False)}
