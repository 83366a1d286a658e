"""Inputs for comparing kernels with their reference: explicit sizes, odd ones among them."""

from __future__ import annotations

from collections.abc import Mapping

from cenote.testing.kernel_cases.attention import ATTENTION
from cenote.testing.kernel_cases.case import KernelCase
from cenote.testing.kernel_cases.late import MAXSIMS, TERMS
from cenote.testing.kernel_cases.linear import LINEARS
from cenote.testing.kernel_cases.rows import ACTIVATED, NORMS, RESIDUALS, ROTATED, SEGMENTS
from cenote.testing.kernel_cases.spoilt import SPOILT

__all__ = ["CASES", "KernelCase"]

_FINITE: Mapping[str, tuple[KernelCase, ...]] = {
    "varlen_attention": ATTENTION,
    "linear": LINEARS,
    "residual_norm": RESIDUALS,
    "bias_act": ACTIVATED,
    "rotary": ROTATED,
    "segment_pool": SEGMENTS,
    "l2_normalize": NORMS,
    "maxsim": MAXSIMS,
    "term_max": TERMS,
}

#: Cases by operator.
CASES: Mapping[str, tuple[KernelCase, ...]] = {
    operator: (*cases, *SPOILT.get(operator, ())) for operator, cases in _FINITE.items()
}
