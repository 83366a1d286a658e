"""Building a model without values: its weights come from files, or are made once they are known to be missing."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

__all__ = ["WithoutValues"]

#: Of `torch.nn.init` and of tensors: what fills a tensor with random numbers.
_RANDOM = frozenset({"kaiming_normal_", "kaiming_uniform_", "normal_", "trunc_normal_", "uniform_", "xavier_uniform_"})
#: What frequencies of rotary positions are computed by, with a number on one side.
_ARITHMETIC = frozenset(
    {"__div__", "__mul__", "__pow__", "__rdiv__", "__rmul__", "__rpow__", "__rtruediv__", "__truediv__", "div", "mul"}
)


class WithoutValues(TorchFunctionMode):
    """Spare the meta device work that has no result.

    transformers builds a model on torch's meta device, where tensors have no values. There, `normal_` of an embedding
    table, `arange` of its positions and what is computed of them run as Python decompositions. These import torch's
    compiler and sympy: most of a second for nothing.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run a function of torch, or skip it where its tensor is on the meta device."""
        given = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if name in _RANDOM:
            tensor = args[0] if args else given.get("tensor")
            if isinstance(tensor, Tensor) and tensor.is_meta:
                return tensor
        empty = None
        if func is torch.arange and str(given.get("device")) == "meta":
            empty = _arange(args, given)
        elif func is torch.empty_like and args and args[0].is_meta:
            empty = _empty_like(args[0], given)
        elif name in _ARITHMETIC and len(args) == 2:
            empty = _with_number(*args)
        return func(*args, **given) if empty is None else empty


def _arange(args: tuple[Any, ...], given: Mapping[str, Any]) -> Tensor | None:
    """Return what `arange` gives on the meta device; None where its arguments are not plain numbers."""
    if not args or set(given) - {"device", "dtype"} or not all(type(value) in (int, float) for value in args):
        return None
    start, end, step = (0, args[0], 1) if len(args) == 1 else (args[0], args[1], args[2] if len(args) > 2 else 1)
    if step == 0 or (end - start) / step < 0:
        return None  # the real one says what is wrong
    dtype = given.get("dtype") or (None if any(isinstance(value, float) for value in args) else torch.int64)
    return torch.empty(ceil((end - start) / step), dtype=dtype, device="meta")


def _empty_like(tensor: Tensor, given: Mapping[str, Any]) -> Tensor | None:
    """Return what `empty_like` gives on another device; None where strides or other arguments matter."""
    if set(given) != {"device"} or not tensor.is_contiguous():
        return None
    return torch.empty(tensor.shape, dtype=tensor.dtype, device=given["device"])


def _with_number(tensor: Any, number: Any) -> Tensor | None:
    """Return what a tensor of floats on the meta device gives with a number; None for other operands."""
    if not (isinstance(tensor, Tensor) and tensor.is_meta and tensor.is_floating_point() and tensor.is_contiguous()):
        return None
    return torch.empty(tensor.shape, dtype=tensor.dtype, device="meta") if type(number) in (int, float) else None
