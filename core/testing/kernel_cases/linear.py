"""Cases of `linear`, whose two calls are one here: weight and bias are prepared, and rows multiplied."""

from __future__ import annotations

from typing import Any

import torch

from cenote.testing.kernel_cases.case import Inputs, KernelCase

__all__ = ["LINEARS"]

#: A value between two steps of int8 may go to either, and a step is 1/255 of what lies between a row's ends.
_INT8 = 1e-2
#: 16 bits of each factor are kept.
_HIGH = 1e-4
#: With few rows and many: implementations may multiply these in other ways.
_ACTIVATIONS = ("gelu_tanh", "silu", "relu", "quick_gelu")

#: Rows, numbers of each, and results of int8 products that have no or hardly any blocks.
_NARROW = ((2, 1, 16), (1, 1, 2), (33, 1, 130), (5, 1, 1), (1, 2, 1), (3, 2, 17), (17, 3, 1), (70, 5, 3))


def _linear(
    name: str,
    rows: int,
    size: int,
    out: int,
    *,
    bias: bool = True,
    shift: float = 0.0,
    tolerance: float = 0.0,
    **options: Any,
) -> KernelCase:
    def build(dtype: torch.dtype, generator: torch.Generator) -> Inputs:
        tensors = {
            "rows": torch.randn(1, rows, size, generator=generator) + shift,
            "weight": torch.randn(out, size, generator=generator) * size**-0.5,
        }
        if bias:
            tensors["bias"] = torch.randn(out, generator=generator)
        return {key: value.to(dtype) for key, value in tensors.items()}

    return KernelCase(name, build, options if bias else {"bias": None, **options}, tolerance)


LINEARS = (
    _linear("63x384_to_1536", 63, 384, 1536),
    _linear("one_row", 1, 384, 384),
    _linear("without_bias", 60, 256, 129, bias=False),
    _linear("odd_sizes", 33, 130, 257),
    _linear("odd_sizes-70_rows", 70, 130, 257),
    _linear("with_gelu", 63, 384, 1536, activation="gelu"),
    *(_linear(f"with_{name}", 7, 160, 144, activation=name) for name in _ACTIVATIONS),
    *(_linear(f"70_rows-with_{name}", 70, 160, 144, activation=name) for name in _ACTIVATIONS),
    _linear("too_small_to_prepare", 5, 16, 8),
    _linear("too_small_to_prepare-with_gelu", 5, 16, 8, activation="gelu"),
    _linear("high", 33, 256, 192, precision="high", tolerance=_HIGH),
    _linear("high-70_rows", 70, 256, 192, precision="high", tolerance=_HIGH),
    _linear("int8", 33, 384, 256, quantization="int8", tolerance=_INT8),
    _linear("int8-above_zero", 21, 384, 256, shift=4.0, quantization="int8", tolerance=_INT8),
    _linear("int8-one_row-with_gelu", 1, 256, 160, activation="gelu", quantization="int8", tolerance=_INT8),
    *(_linear(f"int8-{n}x{k}_to_{out}", n, k, out, quantization="int8", tolerance=_INT8) for n, k, out in _NARROW),
    _linear("int8-without_bias", 17, 136, 72, bias=False, quantization="int8", tolerance=_INT8),
)
