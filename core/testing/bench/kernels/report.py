"""The figures of a comparison of backends, as a table and as plain data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from cenote.testing.bench.kernels.ceilings import Ceilings
from cenote.testing.bench.kernels.work import Work
from cenote.testing.bench.report import described, table

__all__ = ["KernelReport", "KernelRow", "PassedOver"]


@dataclass(frozen=True, slots=True)
class KernelRow:
    """One backend on one work.

    Attributes:
        work: what was computed.
        backend: by which.
        seconds: of the median round.
        least: seconds that the ceilings allow.
        bound: what sets them: `memory` or `products`.
        difference: largest, from the reference.
        wrong: what is wrong with the result, in words, or nothing.
    """

    work: Work
    backend: str
    seconds: float
    least: float
    bound: str
    difference: float
    wrong: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the figures by name; rates are per second."""
        return {
            "operator": self.work.operator,
            "work": self.work.name,
            "dtype": self.work.dtype,
            "backend": self.backend,
            "seconds": self.seconds,
            "bytes_per_second": self.work.bytes_moved / self.seconds,
            "operations_per_second": self.work.operations / self.seconds,
            "bound": self.bound,
            "share_of_ceiling": self.least / self.seconds,
            "difference": self.difference if math.isfinite(self.difference) else None,
            "wrong": self.wrong,
        }


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A backend that did not run, and why.

    Attributes:
        operator: which.
        backend: of it.
        source: distribution and version.
        reason: why.
        is_wrong: it ran, and gave what no result of the operator is.
    """

    operator: str
    backend: str
    source: str
    reason: str
    is_wrong: bool = False


@dataclass(frozen=True, slots=True)
class KernelReport:
    """The figures of one run.

    Attributes:
        device: torch device string.
        tokens: rows of the inputs.
        rounds: of which the median counts.
        ceilings: of the device, from the same run.
        rows: in the order in which backends are tried.
        passed_over: backends that did not run.
        first: the backend that the engine takes, by operator.
        machine: as `machine()`.
    """

    device: str
    tokens: int
    rounds: int
    ceilings: Ceilings
    rows: tuple[KernelRow, ...]
    passed_over: tuple[PassedOver, ...]
    first: dict[str, str]
    machine: dict[str, str | int]

    def faults(self) -> list[str]:
        """Return a line for each result that is wrong."""
        lines = [
            f"{row.work.operator}:{row.backend} is wrong on {row.work.name} in {row.work.dtype}: {row.wrong}"
            for row in self.rows
            if row.wrong
        ]
        return lines + [
            f"{one.operator}:{one.backend} is wrong: {one.reason}" for one in self.passed_over if one.is_wrong
        ]

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return {
            "device": self.device,
            "tokens": self.tokens,
            "rounds": self.rounds,
            "memory_bytes_per_second": self.ceilings.memory,
            "products_per_second": self.ceilings.products,
            "copied_bytes": self.ceilings.copied,
            "product_side": self.ceilings.side,
            "kernels": [row.as_json() for row in self.rows],
            "passed_over": [
                {"operator": one.operator, "backend": one.backend, "source": one.source, "reason": one.reason}
                for one in self.passed_over
            ],
            "taken_by_the_engine": self.first,
            "wrong": self.faults(),
            "machine": self.machine,
        }

    def as_text(self) -> str:
        """Lay the run out for people, as Markdown."""
        header = ["operator", "work", "dtype", "backend", "µs", "GB/s", "GFLOP/s", "of the ceiling", "difference"]
        products = ", ".join(f"{dtype} {rate / 1e9:,.0f}" for dtype, rate in self.ceilings.products.items())
        products = products or "not asked for"
        lines = [
            f"{self.device}, {self.tokens:,} tokens, median of {self.rounds} rounds in turns; * is what is taken.",
            described(self.machine),
            f"Ceilings: memory {self.ceilings.memory / 1e9:,.1f} GB/s; products in GFLOP/s: {products}. Inputs that a "
            "cache holds may pass that of memory.",
            "",
            table(header, [self._cells(row) for row in self.rows], align="llllrrrrr"),
        ]
        if self.passed_over:
            lines += ["", "Passed over:", ""]
            lines += [f"- {one.operator}:{one.backend} of {one.source}: {one.reason}" for one in self.passed_over]
        return "\n".join(lines)

    def _cells(self, row: KernelRow) -> list[str]:
        work = row.work
        taken = "*" if self.first.get(work.operator) == row.backend else ""
        return [
            work.operator,
            work.name,
            work.dtype,
            f"{row.backend}{taken}",
            f"{row.seconds * 1e6:,.0f}",
            f"{work.bytes_moved / row.seconds / 1e9:,.1f}",
            f"{work.operations / row.seconds / 1e9:,.0f}" if work.operations else "",
            f"{row.least / row.seconds:.0%} {row.bound}",
            f"{row.difference:.0e}",
        ]
