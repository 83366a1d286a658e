"""What is wrong with the result of a kernel, seen from its shape and kind of numbers alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from torch import Tensor

__all__ = ["FAULTS", "Fault", "joined_fault", "no_fault", "product_fault"]

#: From a result and the arguments, by position and by name, to what it is, in words, or nothing where it is right.
Fault: TypeAlias = Callable[[Any, tuple[Any, ...], dict[str, Any]], str]


def no_fault(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Say nothing of operators that are not of the core."""
    return ""


def _unlike(result: Any, shape: tuple[int, ...]) -> str:
    if not isinstance(result, Tensor):
        return f"{type(result).__name__}, not a tensor"
    if result.shape != shape:
        return f"shape {list(result.shape)}, not {list(shape)}"
    if not result.is_floating_point():
        return f"{str(result.dtype).removeprefix('torch.')} numbers, not floats"
    return ""


def _argument(args: tuple[Any, ...], kwargs: dict[str, Any], place: int, name: str) -> Any:
    return args[place] if len(args) > place else kwargs[name]


def _like(name: str) -> Fault:
    """Expect the shape of the first argument."""
    return lambda result, args, kwargs: _unlike(result, (args[0] if args else kwargs[name]).shape)


def _attention(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    query, value = _argument(args, kwargs, 0, "query"), _argument(args, kwargs, 2, "value")
    width = value.size(2)
    return _unlike(result, query.shape if query.size(2) == width else (*query.shape[:2], width))


def _product(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return "" if callable(result) else f"{type(result).__name__}, not a function"


def product_fault(width: int) -> Fault:
    """Return what says what is wrong with a product with a weight of so many rows: they are the result's columns."""
    return lambda result, args, kwargs: _unlike(result, (*_argument(args, kwargs, 0, "rows").shape[:-1], width))


def joined_fault(layers: int) -> Fault:
    """Return what judges joined layers: they give two tensors of the stream's shape, and the layer that is next."""

    def fault(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        if not isinstance(result, tuple) or len(result) != 3:
            return f"{type(result).__name__}, not a tuple of two tensors and a number"
        first = kwargs.get("first", 0)
        least = layers if kwargs.get("interrupt") is None else first + 1
        if not isinstance(result[2], int) or not least <= result[2] <= layers:
            return f"{result[2]!r} as the next layer after {first} of {layers}"
        return _pair(result[:2], _argument(args, kwargs, 1, "stream").shape)

    return fault


def _residual(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return _pair(result, _argument(args, kwargs, 0, "rows").shape)


def _pair(result: Any, shape: tuple[int, ...]) -> str:
    if not isinstance(result, tuple) or len(result) != 2:
        return f"{type(result).__name__}, not a tuple of two tensors"
    return _unlike(result[0], shape) or _unlike(result[1], shape)


def _activated(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    rows = _argument(args, kwargs, 0, "rows")
    return _unlike(result, (len(rows), rows.size(1) // 2) if kwargs.get("gated") else rows.shape)


def _segments(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return _unlike(result, (len(kwargs["lengths"]), *_argument(args, kwargs, 0, "rows").shape[1:]))


def _maxsim(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    lengths, queries = kwargs["lengths"], kwargs.get("queries")
    return _unlike(result, (len(lengths),) if queries is None else (len(queries), len(lengths)))


def _terms(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    sequences = len(kwargs["lengths"])
    shapes = [list(getattr(part, "shape", ["?"])) for part in result] if isinstance(result, tuple) else []
    if len(shapes) != 3 or len(shapes[0]) != 1 or shapes[0] != shapes[1] or shapes[2] != [sequences]:
        return f"shapes {shapes}, not the tuple [terms], [terms], [{sequences}]"
    return ""


#: Of the operators of the core.
FAULTS: Mapping[str, Fault] = {
    "varlen_attention": _attention,
    "linear": _product,
    "residual_norm": _residual,
    "bias_act": _activated,
    "rotary": _like("heads"),
    "segment_pool": _segments,
    "l2_normalize": _like("rows"),
    "maxsim": _maxsim,
    "term_max": _terms,
}
