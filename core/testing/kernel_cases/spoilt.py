"""Cases with a number that is NaN, which must be seen in the results that depend on it, and in no others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from cenote.testing.kernel_cases.attention import attention_case
from cenote.testing.kernel_cases.case import Inputs, KernelCase
from cenote.testing.kernel_cases.late import MAXSIMS, TERMS
from cenote.testing.kernel_cases.linear import LINEARS
from cenote.testing.kernel_cases.rows import NORMS, SEGMENTS

__all__ = ["SPOILT"]


def _spoilt(case: KernelCase, name: str, *place: int) -> KernelCase:
    """Return a case in which the number at a place of one of its tensors is NaN; int8 has none."""

    def build(dtype: torch.dtype, generator: torch.Generator) -> Inputs:
        tensors = case.build(dtype, generator)
        part = tensors[name]
        assert isinstance(part, torch.Tensor)
        if part.is_floating_point():
            part[place] = float("nan")
        return tensors

    return replace(case, name=f"{case.name}-nan_in_{name}", build=build)


def _of(cases: tuple[KernelCase, ...], names: tuple[str, ...], name: str, *place: int) -> tuple[KernelCase, ...]:
    return tuple(_spoilt(case, name, *place) for case in cases if case.name in names)


#: Of attention: sequences of fewer tokens than a register has numbers, and of several blocks. What is NaN in a value
#: that a token may not see is left open.
_LENGTHS = ((1, 3), (2, 3), (5, 3), (16, 3), (64, 3), (150, 3))
_ONE_HEAD = tuple(attention_case(f"{first}_{second}", (first, second), (1, 1, 16)) for first, second in _LENGTHS)
_CAUSAL = tuple(
    attention_case(f"{first}_{second}-causal", (first, second), (1, 1, 16), causal=True) for first, second in _LENGTHS
)
_GROUPED = attention_case("window_5-sinks-grouped", (21, 4), (4, 2, 20), sinks=True, window=5)

#: Cases by operator.
SPOILT: Mapping[str, tuple[KernelCase, ...]] = {
    "varlen_attention": (
        *(_spoilt(case, name, 0, 0, 0) for case in _ONE_HEAD for name in ("query", "key", "value")),
        *(_spoilt(case, name, 0, 0, 0) for case in _CAUSAL for name in ("query", "key")),
        *(_spoilt(_GROUPED, name, 9, 1, 19) for name in ("query", "key")),
    ),
    "linear": (
        *_of(LINEARS, ("one_row", "int8-one_row-with_gelu"), "rows", 0, 0, 7),
        *_of(LINEARS, ("odd_sizes", "int8"), "rows", 0, 13, 0),
    ),
    "segment_pool": _of(SEGMENTS, tuple(f"63_60_1-{reduce}" for reduce in ("sum", "mean", "max")), "rows", 62, 3),
    "l2_normalize": _of(NORMS, ("7x63", "2x5000"), "rows", 1, 2),
    "maxsim": _of(MAXSIMS, ("32_by_63_60_1", "equal_neighbours"), "documents", 20, 5),
    "term_max": _of(TERMS, ("63_60_1", "one_id"), "weights", 2),
}
