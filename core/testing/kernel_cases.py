"""Inputs for comparing kernels with their reference: explicit sizes, odd ones among them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = ["CASES", "KernelCase"]

#: Sequence lengths: single tokens, an empty one, runs of equal neighbours, sizes around powers of two.
_LENGTHS: Mapping[str, tuple[int, ...]] = {
    "one_token": (1,),
    "63_60_1": (63, 60, 1),
    "with_an_empty_one": (5, 0, 7),
    "equal_neighbours": (16, 16, 16, 9, 9),
    "around_64": (65, 64, 63, 2, 1),
}


@dataclass(frozen=True)
class KernelCase:
    """One call of an operator.

    Attributes:
        name: readable id.
        build: from a dtype and a generator to the tensor arguments by name.
        options: the other arguments.
    """

    name: str
    build: Callable[[torch.dtype, torch.Generator], dict[str, Tensor]]
    options: Mapping[str, Any]

    def inputs(self, dtype: torch.dtype, device: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return fresh tensors, the same on every call, and the options."""
        generator = torch.Generator().manual_seed(len(self.name))
        tensors = self.build(dtype, generator)
        return {name: value.to(device) for name, value in tensors.items()}, dict(self.options)


def _attention(
    name: str,
    lengths: tuple[int, ...],
    heads: tuple[int, int, int] = (4, 4, 16),
    value_size: int | None = None,
    sinks: bool = False,
    **options: Any,
) -> KernelCase:
    """Return a case with (heads, key heads, head size); values may be of another size."""
    count, key_count, size = heads

    def build(dtype: torch.dtype, generator: torch.Generator) -> dict[str, Tensor]:
        shapes = {"query": (count, size), "key": (key_count, size), "value": (key_count, value_size or size)}
        total = sum(lengths)
        tensors = {key: torch.randn(total, *shape, generator=generator) for key, shape in shapes.items()}
        if sinks:
            tensors["sinks"] = torch.randn(count, generator=generator)
        return {key: tensor.to(dtype) for key, tensor in tensors.items()}

    options = {"lengths": lengths, "key_lengths": lengths, "scale": size**-0.5} | options
    return KernelCase(name, build, options)


def _rows(name: str, shape: tuple[int, int], **options: Any) -> KernelCase:
    def build(dtype: torch.dtype, generator: torch.Generator) -> dict[str, Tensor]:
        return {"rows": torch.randn(*shape, generator=generator).to(dtype)}

    return KernelCase(name, build, options)


_ATTENTION = (
    *(_attention(name, lengths) for name, lengths in _LENGTHS.items()),
    *(_attention(f"{name}-causal", lengths, causal=True) for name, lengths in _LENGTHS.items()),
    _attention("window_7", (63, 60, 8, 7, 6, 1), window=7),
    _attention("window_7-causal", (63, 60, 8, 7, 6, 1), window=7, causal=True),
    _attention("grouped_heads", (33, 33, 5), heads=(6, 2, 8)),
    _attention("one_key_head-causal", (33, 5), heads=(4, 1, 24), causal=True),
    _attention("softcap", (21, 4), softcap=1.5),
    _attention("softcap-window_5", (21, 4), softcap=1.5, window=5),
    _attention("narrow_values", (21, 4), value_size=6),
    _attention("wide_values-causal", (21, 4, 4), heads=(4, 2, 8), value_size=24, causal=True),
    _attention("sinks", (21, 4, 4), sinks=True),
    _attention("sinks-causal-window_5", (21, 4), heads=(6, 2, 8), sinks=True, causal=True, window=5),
    _attention("sinks-softcap", (9, 1), sinks=True, softcap=1.5),
    _attention("keys_end_early", (12, 12, 9), key_lengths=(12, 5, 1)),
    _attention("keys_end_early-causal", (12, 12, 9), key_lengths=(12, 5, 1), causal=True),
    _attention("keys_end_early-window_3", (12, 9), key_lengths=(5, 1), window=3),
    _attention("keys_end_early-window_3-causal", (12, 9, 9), key_lengths=(5, 1, 9), window=3, causal=True),
    _attention("keys_end_early-grouped_heads", (12, 12, 9), heads=(6, 2, 8), key_lengths=(12, 5, 1)),
    _attention("keys_end_early-grouped_heads-causal", (12, 12), heads=(4, 1, 24), key_lengths=(7, 7), causal=True),
    _attention("keys_end_early-softcap-causal", (12, 9), key_lengths=(5, 1), softcap=1.5, causal=True),
    _attention("keys_end_early-sinks", (12, 12, 9), key_lengths=(12, 5, 1), sinks=True),
    _attention("keys_end_early-sinks-causal-window_3", (12, 9), key_lengths=(5, 1), sinks=True, causal=True, window=3),
    _attention("no_keys", (7, 4, 1), key_lengths=(0, 4, 0)),
    _attention("no_keys-causal", (7, 4, 1), key_lengths=(0, 4, 0), causal=True),
)
_SEGMENTS = tuple(
    _rows(f"{name}-{reduce}", (sum(lengths), 24), lengths=lengths, reduce=reduce)
    for name, lengths in _LENGTHS.items()
    for reduce in ("sum", "mean", "max")
)
_NORMS = (_rows("7x63", (7, 63)), _rows("1x1", (1, 1)), _rows("0x60", (0, 60)), _rows("130x384", (130, 384)))


def _linear(name: str, rows: int, size: int, out: int, *, bias: bool, gelu: bool = False) -> KernelCase:
    def build(dtype: torch.dtype, generator: torch.Generator) -> dict[str, Tensor]:
        tensors = {
            "rows": torch.randn(1, rows, size, generator=generator),
            "weight": torch.randn(out, size, generator=generator) * size**-0.5,
        }
        if bias:
            tensors["bias"] = torch.randn(out, generator=generator)
        return {key: value.to(dtype) for key, value in tensors.items()}

    options: dict[str, Any] = {"gelu": gelu} if bias else {"gelu": gelu, "bias": None}
    return KernelCase(name, build, options)


_LINEARS = (
    _linear("63x384_to_1536", 63, 384, 1536, bias=True),
    _linear("one_row", 1, 384, 384, bias=True),
    _linear("without_bias", 60, 256, 129, bias=False),
    _linear("with_gelu", 63, 384, 1536, bias=True, gelu=True),
    _linear("too_small_to_prepare", 5, 16, 8, bias=True),
)


def _maxsim(name: str, query: int, lengths: tuple[int, ...], size: int, **more: tuple[int, ...]) -> KernelCase:
    def build(dtype: torch.dtype, generator: torch.Generator) -> dict[str, Tensor]:
        shapes = {"query": (query, size), "documents": (sum(lengths), size)}
        vectors = {key: torch.randn(*shape, generator=generator) for key, shape in shapes.items()}
        for value in vectors.values():
            value /= value.norm(dim=-1, keepdim=True)
            if dtype == torch.int8:
                value.mul_(127).round_()
        return {key: value.to(dtype) for key, value in vectors.items()}

    return KernelCase(name, build, {"lengths": lengths, **more})


_MAXSIMS = (
    _maxsim("one_by_one", 1, (1,), 8),
    _maxsim("32_by_63_60_1", 32, (63, 60, 1), 128),
    _maxsim("equal_neighbours", 7, (16, 16, 16, 9, 9), 63),
    _maxsim("130_by_two", 130, (65, 3), 200),
    _maxsim("many_of_one_length", 32, (130,) * 100, 48),
    _maxsim("many_of_unlike_lengths", 32, tuple(1 + 37 * at % 301 for at in range(80)), 24),
    _maxsim("three_queries", 40, (30, 5), 32, queries=(1, 7, 32)),
    _maxsim("very_long_and_very_short", 3, (1, 33000, 2, 1, 600, 15, 16, 17), 16),
)


def _terms(name: str, lengths: tuple[int, ...], size: int) -> KernelCase:
    """Return a case whose ids are below `size`, so that many are met twice."""

    def build(dtype: torch.dtype, generator: torch.Generator) -> dict[str, Tensor]:
        total = sum(lengths)
        weights = torch.randn(total, generator=generator).to(dtype)
        return {"weights": weights, "ids": torch.randint(size, (total,), generator=generator)}

    return KernelCase(name, build, {"lengths": lengths})


_TERMS = (
    *(_terms(name, lengths, 9) for name, lengths in _LENGTHS.items()),
    _terms("large_ids", (40, 40), 250_002),
    _terms("one_id", (4, 5), 1),
    _terms("all_empty", (0, 0), 1),
    _terms("empty_ends", (0, 6, 0), 3),
    _terms("nobody", (), 1),
)

#: Cases by operator.
CASES: Mapping[str, tuple[KernelCase, ...]] = {
    "varlen_attention": _ATTENTION,
    "segment_pool": _SEGMENTS,
    "l2_normalize": _NORMS,
    "linear": _LINEARS,
    "maxsim": _MAXSIMS,
    "term_max": _TERMS,
}
