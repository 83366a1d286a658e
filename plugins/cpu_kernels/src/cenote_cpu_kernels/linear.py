"""Products with a fixed weight: `linear:native`, on AMX tiles or in AVX-512 registers."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from cenote.errors import MissingDependency, ShapeError
from cenote.kernels.activations import Activation
from cenote.kernels.dispatch import forced_kernels
from cenote.kernels.linear import cpu
from cenote.kernels.linear.check import check_linear
from cenote.kernels.linear.reference import Precision, Product, Quantization
from cenote_cpu_kernels.calls import ACTIVATIONS, DTYPES, NO_ACTIVATION, address, flat_rows, float_vector
from cenote_cpu_kernels.layers import join_layers
from cenote_cpu_kernels.library import LEVELS, library, offered, require

__all__ = ["linear_at", "prepare_linear"]

#: By the numbers of `native/gemm.h`.
_BF16, _SPLIT6, _SPLIT3, _INT8, _FLOATS = range(5)
#: Below this many weights a call costs more than the product.
_SMALLEST = 128 * 128
_AMX = LEVELS.index("amx")
#: The first level that has each.
_LOWEST = {_BF16: "avx512_bf16", _SPLIT6: "amx", _SPLIT3: "amx", _INT8: "avx512_vnni", _FLOATS: "avx512"}


@offered("avx512")
def prepare_linear(
    weight: Tensor, bias: Tensor | None, *, quantization: Quantization | None = None, precision: Precision = "highest"
) -> Product:
    """Prepare a product as `linear:reference` states it.

    bfloat16 weights meet rows in bfloat16, with sums in float32. Without AMX float32 weights are multiplied as they
    are, whatever the precision. With it they are kept as three bfloat16 parts (one and a half times their memory),
    whose six largest products add up to float32's precision, or as two with `precision="high"` (as much memory as
    before). Up to a million numbers are kept as float32 besides: up to 42
    rows are multiplied with these, so that a row alone and among many differs by float32's rounding. Parts below
    1e-38 are lost: the error of rows near 1e-34 is 3e-5 of their products, that of larger ones as in float32. A row
    with an infinite number gives NaN, or infinite numbers where rows are few. With `quantization` rows and weights
    meet in int8. Sums are in float32, and int32 where numbers are int8; the activation is applied to them, before
    they are rounded to the dtype of the rows.

    Args:
        weight: [out, in], float32 or bfloat16; other types, small weights, and what the level has no instructions
            for (int8 below avx512_vnni, bfloat16 below avx512_bf16) are left to the backend `cpu`.
        bias: [out], or None.
        quantization: `int8`, or None.
        precision: of float32 products.

    Raises:
        ShapeError: the weight is no matrix, or the bias does not fit it.
        ValueError: there is no such quantization or precision.
        MissingDependency: there is no compiled object, or no memory; or the level has no instructions for the product,
            and `CENOTE_KERNELS` asks for this backend.
    """
    instructions = require("avx512")
    if _is_taken(weight) and forced_kernels().get("linear") == "native":
        require(_LOWEST[_kind(instructions, weight, quantization, precision)])
    return linear_at(instructions, weight, bias, quantization=quantization, precision=precision)


prepare_linear.join = join_layers  # type: ignore[attr-defined]


def linear_at(
    instructions: int,
    weight: Tensor,
    bias: Tensor | None,
    *,
    quantization: Quantization | None = None,
    precision: Precision = "highest",
) -> Product:
    """Prepare a product with the instructions of a level, by its number in `LEVELS`.

    Raises:
        ShapeError: the weight is no matrix, or the bias does not fit it.
        ValueError: there is no such quantization or precision.
        MissingDependency: there is no compiled object, or no memory.
    """
    check_linear(weight, bias, quantization, precision)
    kind = _kind(instructions, weight, quantization, precision)
    if instructions < LEVELS.index(_LOWEST[kind]) or not _is_taken(weight):
        return cpu.prepare_linear(weight, bias, quantization=quantization, precision=precision)
    return _product(_Packed(kind, instructions, weight.detach(), bias))


def _is_taken(weight: Tensor) -> bool:
    return weight.is_cpu and weight.dtype in DTYPES and weight.numel() >= _SMALLEST


def _kind(instructions: int, weight: Tensor, quantization: Quantization | None, precision: Precision) -> int:
    if quantization == "int8":
        return _INT8
    if weight.dtype == torch.bfloat16:
        return _BF16
    if instructions < _AMX:
        return _FLOATS
    return _SPLIT6 if precision == "highest" else _SPLIT3


class _Packed:
    """A weight in the memory of the compiled object, freed with it.

    Attributes:
        handle: of the compiled object.
        shape: (out, in).
    """

    def __init__(self, kind: int, instructions: int, weight: Tensor, bias: Tensor | None) -> None:
        source, added = weight.contiguous(), float_vector(None if bias is None else bias.detach())
        self.shape = (source.shape[0], source.shape[1])
        self.handle = _functions()[0](
            kind,
            instructions,
            source.data_ptr(),
            DTYPES[source.dtype],
            *self.shape,
            address(added),
            torch.get_num_threads(),
        )
        if not self.handle:
            raise MissingDependency(f"There is no memory for a weight of {list(self.shape)}.")
        freed = weakref.finalize(self, _functions()[1], self.handle)
        freed.atexit = False  # a thread that lives on may be computing then, and all memory goes with the process


def _product(packed: _Packed) -> Product:
    compute, (out, width) = _functions()[2], packed.shape

    def apply(rows: Tensor, *, activation: Activation | None = None) -> Tensor:
        if rows.shape[-1] != width or not rows.is_cpu:
            raise ShapeError(
                f"The weight takes rows of {width} numbers on the CPU; these have {rows.shape[-1]} on {rows.device}."
            )
        if rows.dtype not in DTYPES:
            return apply(rows.float(), activation=activation).to(rows.dtype)
        source = flat_rows(rows)
        result = torch.empty((*rows.shape[:-1], out), dtype=rows.dtype)
        if result.numel():
            failed = compute(
                packed.handle,
                source.data_ptr(),
                DTYPES[rows.dtype],
                source.shape[0],
                source.stride(0),
                result.data_ptr(),
                NO_ACTIVATION if activation is None else ACTIVATIONS[activation],
                torch.get_num_threads(),
            )
            if failed:
                raise MissingDependency(f"There is no memory for a product of {len(source)} rows.")
        return result

    apply.packed = packed  # type: ignore[attr-defined]
    return apply


@lru_cache(maxsize=1)
def _functions() -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """Return the compiled functions that prepare a weight, free it, and compute."""
    number, size, place = ctypes.c_int, ctypes.c_long, ctypes.c_void_p
    prepare, free, compute = library().cenote_linear_prepare, library().cenote_linear_free, library().cenote_linear
    prepare.argtypes, prepare.restype = [number, number, place, number, size, size, place, number], place
    free.argtypes, free.restype = [place], None
    compute.argtypes, compute.restype = [place, place, number, size, size, place, number, number], number
    return prepare, free, compute
