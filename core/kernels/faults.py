"""What is wrong with the result of a kernel, seen from its shape and kind of numbers alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor

__all__ = ["FAULTS", "Fault", "joined_fault", "no_fault", "product_fault"]

#: From a result and the arguments, by position and by name, to what it is, in words, or nothing where it is right.
Fault: TypeAlias = Callable[[Any, tuple[Any, ...], dict[str, Any]], str]


def no_fault(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Say nothing of operators that are not of the core."""
    return ""


def _unlike(result: Any, shape: tuple[int, ...], dtype: torch.dtype | None) -> str:
    """Compare with what the operator states; without a dtype, any floats will do."""
    if not isinstance(result, Tensor):
        return f"{type(result).__name__}, not a tensor"
    if result.shape != shape:
        return f"shape {list(result.shape)}, not {list(shape)}"
    if result.dtype is dtype or (dtype is None and result.is_floating_point()):
        return ""
    return f"{_name(result.dtype)} numbers, not {_name(dtype) if result.is_floating_point() else 'floats'}"


def _name(dtype: torch.dtype | None) -> str:
    return str(dtype).removeprefix("torch.")


def _argument(args: tuple[Any, ...], kwargs: dict[str, Any], place: int, name: str) -> Any:
    return args[place] if len(args) > place else kwargs[name]


def _heads(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    heads = _argument(args, kwargs, 0, "heads")
    return _unlike(result, heads.shape, heads.dtype)


def _normalized(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return _unlike(result, _argument(args, kwargs, 0, "rows").shape, torch.float32)


def _attention(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    query, value = _argument(args, kwargs, 0, "query"), _argument(args, kwargs, 2, "value")
    width = value.size(2)
    return _unlike(result, query.shape if query.size(2) == width else (*query.shape[:2], width), query.dtype)


def _product(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return "" if callable(result) else f"{type(result).__name__}, not a function"


def product_fault(width: int) -> Fault:
    """Return what says what is wrong with a product with a weight of so many rows: they are the result's columns."""

    def fault(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        rows = _argument(args, kwargs, 0, "rows")
        return _unlike(result, (*rows.shape[:-1], width), rows.dtype)

    return fault


def joined_fault(layers: int) -> Fault:
    """Return what judges joined layers: they give two tensors of the stream's shape, and the layer that is next."""

    def fault(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        if not isinstance(result, tuple) or len(result) != 3:
            return f"{type(result).__name__}, not a tuple of two tensors and a number"
        first = kwargs.get("first", 0)
        least = layers if kwargs.get("interrupt") is None else first + 1
        if not isinstance(result[2], int) or not least <= result[2] <= layers:
            return f"{result[2]!r} as the next layer after {first} of {layers}"
        # Nothing takes the normed values behind the last layer.
        dtype = None if result[2] == layers else _argument(args, kwargs, 0, "normed").dtype
        return _pair(result[:2], _argument(args, kwargs, 1, "stream").shape, dtype)

    return fault


def _residual(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return _pair(result, _argument(args, kwargs, 0, "rows").shape, kwargs["dtype"])


def _pair(result: Any, shape: tuple[int, ...], dtype: torch.dtype | None) -> str:
    """Look at normed values, of a dtype, and at the stream, which is float32."""
    if not isinstance(result, tuple) or len(result) != 2:
        return f"{type(result).__name__}, not a tuple of two tensors"
    return _unlike(result[0], shape, dtype) or _unlike(result[1], shape, torch.float32)


def _activated(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    rows = _argument(args, kwargs, 0, "rows")
    return _unlike(result, (len(rows), rows.size(1) // 2) if kwargs.get("gated") else rows.shape, rows.dtype)


def _segments(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    shape = len(kwargs["lengths"]), *_argument(args, kwargs, 0, "rows").shape[1:]
    return _unlike(result, shape, torch.float32)


def _maxsim(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    lengths, queries = kwargs["lengths"], kwargs.get("queries")
    return _unlike(result, (len(lengths),) if queries is None else (len(queries), len(lengths)), torch.float32)


#: Ids, weights and counts.
_TERMS = torch.int64, torch.float32, torch.int64


def _terms(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    sequences = len(kwargs["lengths"])
    shapes = [list(getattr(part, "shape", ["?"])) for part in result] if isinstance(result, tuple) else []
    if len(shapes) != 3 or len(shapes[0]) != 1 or shapes[0] != shapes[1] or shapes[2] != [sequences]:
        return f"shapes {shapes}, not the tuple [terms], [terms], [{sequences}]"
    dtypes = tuple(part.dtype for part in result)
    return "" if dtypes == _TERMS else f"{_names(dtypes)} numbers, not {_names(_TERMS)}"


def _names(dtypes: tuple[torch.dtype, ...]) -> str:
    return ", ".join(map(_name, dtypes))


#: Of the operators of the core.
FAULTS: Mapping[str, Fault] = {
    "varlen_attention": _attention,
    "linear": _product,
    "residual_norm": _residual,
    "bias_act": _activated,
    "rotary": _heads,
    "segment_pool": _segments,
    "l2_normalize": _normalized,
    "maxsim": _maxsim,
    "term_max": _terms,
}
