"""Every backend of every operator, timed on this machine beside what its memory and its products allow."""

from __future__ import annotations

from cenote.testing.bench.kernels.report import KernelReport
from cenote.testing.bench.kernels.run import compare_kernels

__all__ = ["KernelReport", "compare_kernels"]
