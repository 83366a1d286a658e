"""What operators are timed on: the sizes that models give them, over texts of unlike length."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = ["PRODUCTS", "Work", "works"]

#: Operators whose work is products of matrices, beside which it is judged.
PRODUCTS = frozenset({"varlen_attention", "linear", "maxsim"})


@dataclass(frozen=True)
class Work:
    """One call of an operator.

    Attributes:
        operator: which.
        name: the model or the shape that it stands for.
        dtype: of the inputs, or `int8` for quantised products of float32.
        tensors: arguments on the device, by name.
        options: the other arguments.
        operations: multiplications and additions of matrix products; 0 where there are none.
        bytes_moved: what must at least be read and written.
    """

    operator: str
    name: str
    dtype: str
    tensors: dict[str, Tensor]
    options: dict[str, Any]
    operations: int
    bytes_moved: int


@dataclass(frozen=True)
class _Sizes:
    """Sizes of a model: width, heads, key heads, components of each, width of the feed-forward part."""

    name: str
    width: int
    heads: int
    key_heads: int
    head: int
    inner: int
    is_decoder: bool


#: all-MiniLM-L6-v2, and Qwen3-Embedding-0.6B.
_MODELS = (
    _Sizes("MiniLM", 384, 12, 12, 32, 1536, False),
    _Sizes("Qwen3-0.6B", 1024, 16, 8, 128, 3072, True),
)


class _Builder:
    """Draws inputs of one dtype on a device."""

    def __init__(self, tokens: int, dtype: torch.dtype, device: str) -> None:
        draw = random.Random(0)
        self.dtype, self.device = dtype, device
        self.lengths: list[int] = []
        left = tokens
        while left > 0:
            self.lengths.append(min(left, draw.randint(8, 256)))
            left -= self.lengths[-1]
        self.tokens = tokens
        self._generator = torch.Generator().manual_seed(0)

    def normal(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        return torch.randn(*shape, generator=self._generator).to(self.device, dtype or self.dtype)

    def ids(self, most: int) -> Tensor:
        return torch.randint(most, (self.tokens,), generator=self._generator).to(self.device)

    def work(
        self, operator: str, name: str, tensors: dict[str, Tensor], out: int, operations: int = 0, **options: Any
    ) -> Work:
        """Return work that reads all tensors and writes `out` bytes."""
        moved = out + sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
        label = options.get("quantization") or str(self.dtype).removeprefix("torch.")
        return Work(operator, name, label, tensors, options, operations, moved)


def _attention(make: _Builder) -> Iterator[Work]:
    for model in _MODELS:
        width = model.heads + 2 * model.key_heads
        joined = make.normal(make.tokens, width, model.head)  # queries, keys and values are parts of one product
        query, key, value = joined.split([model.heads, model.key_heads, model.key_heads], dim=1)  # type: ignore[no-untyped-call]
        pairs = sum(length * (length + 1) // 2 if model.is_decoder else length * length for length in make.lengths)
        yield make.work(
            "varlen_attention",
            f"{model.name}, {'causal' if model.is_decoder else 'both ways'}",
            {"query": query, "key": key, "value": value},
            query.numel() * query.element_size(),
            4 * model.heads * model.head * pairs,
            lengths=make.lengths,
            key_lengths=make.lengths,
            scale=model.head**-0.5,
            causal=model.is_decoder,
        )


def _linear(make: _Builder) -> Iterator[Work]:
    for model in _MODELS:
        out = model.inner * (2 if model.is_decoder else 1)
        tensors = {"rows": make.normal(make.tokens, model.width), "weight": make.normal(out, model.width)}
        options: dict[str, Any] = {"bias": None, "activation": None}
        if not model.is_decoder:
            tensors["bias"], options = make.normal(out), {"activation": "gelu"}
        name = f"{model.name}, {model.width} to {out}{'' if model.is_decoder else ' + gelu'}"
        size, operations = make.tokens * out * tensors["rows"].element_size(), 2 * make.tokens * model.width * out
        yield make.work("linear", name, tensors, size, operations, **options)
        if make.dtype == torch.float32 and make.device == "cpu":
            yield make.work("linear", name, tensors, size, operations, quantization="int8", **options)


def _residual_norm(make: _Builder) -> Iterator[Work]:
    for model in _MODELS:
        kind, stream = ("rms", "sum") if model.is_decoder else ("layer", "norm")
        tensors = {
            "rows": make.normal(make.tokens, model.width),
            "residual": make.normal(make.tokens, model.width, dtype=torch.float32),
            "weight": make.normal(model.width, dtype=torch.float32),
        }
        options: dict[str, Any] = {"bias": None}
        if not model.is_decoder:
            tensors["bias"], options = make.normal(model.width, dtype=torch.float32), {}
        one = stream == "norm" and make.dtype == torch.float32  # both results are one tensor
        size = tensors["rows"].numel() * (4 if one else 4 + tensors["rows"].element_size())
        yield make.work(
            "residual_norm",
            f"{model.name}, {kind}",
            tensors,
            size,
            eps=1e-6,
            kind=kind,
            stream=stream,
            dtype=make.dtype,
            **options,
        )


def _bias_act(make: _Builder) -> Iterator[Work]:
    for model in _MODELS:
        gated = model.is_decoder
        tensors = {"rows": make.normal(make.tokens, model.inner * (2 if gated else 1))}
        options: dict[str, Any] = {"bias": None} if gated else {}
        if not gated:
            tensors["bias"] = make.normal(model.inner)
        activation = "silu" if gated else "gelu"
        size = make.tokens * model.inner * tensors["rows"].element_size()
        name = f"{model.name}, {activation}{', gated' if gated else ''}"
        yield make.work("bias_act", name, tensors, size, activation=activation, gated=gated, **options)


def _rotary(make: _Builder) -> Iterator[Work]:
    model = _MODELS[1]
    heads = make.normal(make.tokens, model.heads, model.head)
    angles = [make.normal(make.tokens, model.head, dtype=torch.float32) for _ in range(2)]
    size = heads.numel() * heads.element_size()
    yield make.work("rotary", model.name, {"heads": heads, "cos": angles[0].cos(), "sin": angles[1].sin()}, size)


def _pooling(make: _Builder) -> Iterator[Work]:
    for model in _MODELS:
        rows = {"rows": make.normal(make.tokens, model.width)}
        size = 4 * model.width * len(make.lengths)
        lengths = make.lengths
        yield make.work("segment_pool", model.name, rows, size, lengths=lengths, reduce="mean", normalize=True)


def _normalize(make: _Builder) -> Iterator[Work]:
    yield make.work("l2_normalize", "128 components", {"rows": make.normal(make.tokens, 128)}, 4 * 128 * make.tokens)


def _maxsim(make: _Builder) -> Iterator[Work]:
    tensors = {"query": make.normal(32, 128), "documents": make.normal(make.tokens, 128)}
    size, operations = 4 * len(make.lengths), 2 * 32 * 128 * make.tokens
    yield make.work("maxsim", "32 vectors of 128", tensors, size, operations, lengths=make.lengths)


def _term_max(make: _Builder) -> Iterator[Work]:
    tensors = {"weights": make.normal(make.tokens), "ids": make.ids(250_002)}
    yield make.work("term_max", "ids below 250 002", tensors, 12 * make.tokens, lengths=make.lengths)


_BUILDERS: dict[str, Callable[[_Builder], Iterator[Work]]] = {
    "varlen_attention": _attention,
    "linear": _linear,
    "residual_norm": _residual_norm,
    "bias_act": _bias_act,
    "rotary": _rotary,
    "segment_pool": _pooling,
    "l2_normalize": _normalize,
    "maxsim": _maxsim,
    "term_max": _term_max,
}


def works(operator: str, *, tokens: int, dtype: torch.dtype, device: str) -> Iterator[Work]:
    """Build the work of an operator, which is one of `cenote.kernels.OPERATORS`."""
    yield from _BUILDERS[operator](_Builder(tokens, dtype, device))
