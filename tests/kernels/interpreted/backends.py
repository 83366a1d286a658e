"""Run by test_triton.py, where Triton interprets kernels on the CPU: every one of them equals the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import pytest

from cenote.testing.kernel_cases import CASES, KernelCase
from cenote.testing.kernels import TOLERANCES, KernelConformance


def _cases(operator: str, most: int) -> Sequence[KernelCase]:
    """Return the cases of at most so many tokens: the interpreter takes a millisecond for a tile."""
    return [case for case in CASES[operator] if sum(case.options["lengths"]) <= most]


def _named(*names: str) -> Sequence[KernelCase]:
    """Return cases of attention by name."""
    return [case for case in CASES["varlen_attention"] if case.name in names]


# Where a row is NaN, the interpreter's maximum, numpy's, says so.
@pytest.mark.filterwarnings("ignore:All-NaN slice encountered:RuntimeWarning")
class _Interpreted(KernelConformance):
    backend = "triton"


class TestVarlenAttention(_Interpreted):
    operator = "varlen_attention"
    cases = _cases("varlen_attention", 40)
    tolerances: ClassVar[Mapping[str, float]] = {"float32": 1e-5}


class TestVarlenAttentionOfHalves(_Interpreted):
    operator = "varlen_attention"
    cases = _named(
        "heads_of_5",
        "heads_of_128",
        "sinks-causal-window_5",
        "keys_end_early-softcap-causal",
        "5_3-nan_in_query",
        "16_3-causal-nan_in_key",
    )
    tolerances: ClassVar[Mapping[str, float]] = {name: TOLERANCES[name] for name in ("float16", "bfloat16")}


class TestVarlenAttentionOfManyTiles(_Interpreted):
    operator = "varlen_attention"
    cases = _named("longer_than_a_tile", "longer_than_a_tile-causal-window_70")
    tolerances: ClassVar[Mapping[str, float]] = {"float16": TOLERANCES["float16"]}


class TestResidualNorm(_Interpreted):
    operator = "residual_norm"


class TestBiasAct(_Interpreted):
    operator = "bias_act"


class TestRotary(_Interpreted):
    operator = "rotary"


class TestSegmentPool(_Interpreted):
    operator = "segment_pool"


class TestL2Normalize(_Interpreted):
    operator = "l2_normalize"


class TestTermMax(_Interpreted):
    operator = "term_max"


class TestMaxsim(_Interpreted):
    operator = "maxsim"
    cases = _cases("maxsim", 70)
    tolerances: ClassVar[Mapping[str, float]] = {**TOLERANCES, "int8": 1e-6}
