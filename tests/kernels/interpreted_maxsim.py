"""Run by test_maxsim.py in a process of its own, where Triton interprets kernels on the CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from cenote.testing.kernel_cases import CASES, KernelCase
from cenote.testing.kernels import TOLERANCES, KernelConformance


class TestTritonMaxsim(KernelConformance):
    operator = "maxsim"
    backend = "triton"
    tolerances: ClassVar[Mapping[str, float]] = {**TOLERANCES, "int8": 1e-6}
    # The interpreter takes a millisecond for a tile.
    cases: ClassVar[Sequence[KernelCase]] = [case for case in CASES["maxsim"] if sum(case.options["lengths"]) < 1000]
