"""Kernels of plugins: what they raise or return wrongly is an error that names them.

Only shapes and kinds of numbers are looked at: no number is read, so that a GPU is never waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import update_wrapper
from typing import TYPE_CHECKING, Any

from cenote.kernels.base import Kernel
from cenote.registry.blame import Blame
from cenote.registry.entry import Entry

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["guarded_kernel"]


def guarded_kernel(entry: Entry, kernel: Kernel) -> Kernel:
    """Return a kernel whose calls are errors of the plugin wherever they fail."""
    blame, operator = Blame.of("kernel", entry), entry.name.partition(":")[0]
    shape = _SHAPES.get(operator)

    def call(*args: Any, **kwargs: Any) -> Any:
        result = blame.call(kernel, *args, **kwargs)
        if operator == "linear":
            return _guarded_product(blame, result)
        if operator == "term_max":
            _check_terms(blame, result, len(kwargs["lengths"]))
        if shape is not None:
            _check(blame, result, blame.call(shape, *args, **kwargs))
        return result

    return update_wrapper(call, kernel)


def _guarded_product(blame: Blame, product: Any) -> Callable[..., Tensor]:
    if not callable(product):
        raise blame.wrong(f"returned {type(product).__name__}, not a function")

    def call(rows: Tensor, **kwargs: Any) -> Tensor:
        result: Any = blame.call(product, rows, **kwargs)
        width = getattr(result, "shape", (0,))[-1:]
        _check(blame, result, (*rows.shape[:-1], *width))
        return result  # type: ignore[no-any-return]

    return call


def _check(blame: Blame, result: Any, shape: tuple[int, ...]) -> None:
    import torch

    if not isinstance(result, torch.Tensor):
        raise blame.wrong(f"returned {type(result).__name__}, not a tensor")
    if tuple(result.shape) != shape:
        raise blame.wrong(f"returned shape {list(result.shape)}, not {list(shape)}")
    if not result.is_floating_point():
        raise blame.wrong(f"returned {str(result.dtype).removeprefix('torch.')} numbers, not floats")


def _check_terms(blame: Blame, result: Any, sequences: int) -> None:
    shapes = [list(getattr(part, "shape", ["?"])) for part in result] if isinstance(result, tuple) else []
    if len(shapes) != 3 or len(shapes[0]) != 1 or shapes[0] != shapes[1] or shapes[2] != [sequences]:
        raise blame.wrong(f"returned shapes {shapes}, not the tuple [terms], [terms], [{sequences}]")


def _attention(query: Tensor, key: Tensor, value: Tensor, **_: Any) -> tuple[int, ...]:
    return (query.shape[0], query.shape[1], value.shape[2])


def _segments(rows: Tensor, *, lengths: Any, **_: Any) -> tuple[int, ...]:
    return (len(lengths), *rows.shape[1:])


def _maxsim(query: Tensor, documents: Any, *, lengths: Any, queries: Any = None) -> tuple[int, ...]:
    return (len(lengths),) if queries is None else (len(queries), len(lengths))


def _like(rows: Tensor) -> tuple[int, ...]:
    return tuple(rows.shape)


#: From an operator's arguments to the shape of its result, for the operators of the core that return one tensor.
_SHAPES: Mapping[str, Callable[..., tuple[int, ...]]] = {
    "varlen_attention": _attention,
    "segment_pool": _segments,
    "l2_normalize": _like,
    "maxsim": _maxsim,
}
