"""The machine's matmul rate: the fastest product with a fixed weight that can be had, per setting."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from harness.job import Job, Runner

__all__ = ["PACKAGES", "load"]

PACKAGES = ("cenote", "torch")
#: Rows of a product; and input and output widths: those of MiniLM's and of BERT-base's feed-forward layers.
_ROWS = 2048
_SHAPES = ((384, 1536), (1536, 384), (768, 3072), (3072, 768))
#: Seconds that a product, or the products of one shape of all layers, is repeated for; the fastest repetition counts.
_SECONDS = 0.12


def load(job: Job) -> Runner:
    """Return what measures the setting: an array of one.

    `matmul` gives the rate of the fastest product, in operations a second; `products` the seconds that all products of
    a model take for inputs of (tokens, hidden size, inner size, layers). Each shape counts with the product that is the
    fastest for it, hot, over the weights of all layers in turn, which the nearest cache does not hold.
    """
    import torch

    torch.set_num_threads(job.threads)

    def rate(_: Sequence[Any], __: int) -> list[float]:
        with torch.inference_mode():
            return [
                max(
                    2 * _ROWS * shape[0] * shape[1] / _fastest(call)
                    for shape in _SHAPES
                    for call in _calls(job.setting, shape, _ROWS)
                )
            ]

    def products(sizes: Sequence[Any], _: int) -> list[float]:
        tokens, hidden, inner, layers = sizes
        shapes = ((hidden, 3 * hidden), (hidden, hidden), (hidden, inner), (inner, hidden))
        with torch.inference_mode():
            return [sum(_all_layers(job.setting, shape, tokens, layers) for shape in shapes)]

    return products if job.work == "products" else rate


def _all_layers(setting: str, shape: tuple[int, int], tokens: int, layers: int) -> float:
    """Return the least seconds for one product of a shape in every layer, with any of the ways to compute it."""
    ways = zip(*(_calls(setting, shape, tokens) for _ in range(layers)), strict=True)
    return min(_fastest(partial(_in_turn, calls)) for calls in ways)


def _calls(setting: str, shape: tuple[int, int], rows: int) -> list[Callable[[], object]]:
    """Return products of one shape: torch's own, and the prepared ones that the engine could use.

    With float32 products shortened (`float32, high`) there is the engine's own alone.
    """
    import torch

    from cenote.kernels import get_kernel
    from cenote.kernels.linear.cpu import prepare_linear

    generator = torch.Generator().manual_seed(0)
    kind = torch.float32 if setting.startswith("float32") else torch.bfloat16
    given = torch.randn(rows, shape[0], generator=generator).to(kind)
    weight = torch.randn(shape[1], shape[0], generator=generator).to(kind)
    chosen = get_kernel("linear", "cpu")
    if setting == "int8":
        left, right = (part.mul(20).round().to(torch.int8) for part in (given.float(), weight.float()))
        quantized = chosen(weight, None, quantization="int8")
        return [lambda: torch._int_mm(left, right.t()), lambda: quantized(given)]
    if setting == "float32, high":
        shortened = chosen(weight, None, precision="high")
        return [lambda: shortened(given)]
    packed, engine = prepare_linear(weight, None), chosen(weight, None)
    return [lambda: torch.nn.functional.linear(given, weight), lambda: packed(given), lambda: engine(given)]


def _in_turn(calls: Sequence[Callable[[], object]]) -> None:
    for call in calls:
        call()


def _fastest(call: Callable[[], object]) -> float:
    call()
    end, best = time.perf_counter() + _SECONDS, float("inf")
    while (begin := time.perf_counter()) < end:
        call()
        best = min(best, time.perf_counter() - begin)
    return best
