"""What a comparison needs beside its figures: the machine and the versions, and a table for people."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["machine", "table"]


def machine() -> dict[str, str | int]:
    """Describe where a measurement was made: processor, cores, threads of torch, and versions."""
    import torch
    import transformers

    from cenote import __version__

    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0,
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "cenote": __version__,
    }


def table(header: Sequence[str], rows: Sequence[Sequence[str]], align: str = "") -> str:
    """Lay rows out as a Markdown table.

    Args:
        header: titles of the columns.
        rows: as many cells each.
        align: one letter per column, `l` or `r`; left out, the first column is left and the others right.
    """
    sides = align or "l" + "r" * (len(header) - 1)
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    rule = ["-" * width if side == "l" else "-" * (width - 1) + ":" for width, side in zip(widths, sides, strict=True)]
    return "\n".join(_line(row, widths, sides) for row in (header, rule, *rows))


def described(facts: Mapping[str, str | int]) -> str:
    """Return `machine()` in one sentence-like line."""
    return (
        f"{facts['processor']}, {facts['cores']} cores, {facts['threads']} threads ({facts['capability']}), "
        f"Python {facts['python']}, torch {facts['torch']}, transformers {facts['transformers']}"
    )


def _line(row: Sequence[str], widths: Sequence[int], sides: str) -> str:
    cells = [
        cell.ljust(width) if side == "l" else cell.rjust(width)
        for cell, width, side in zip(row, widths, sides, strict=True)
    ]
    return f"| {' | '.join(cells)} |"


def _processor() -> str:
    """Return the processor's name as Linux tells it, or what the platform module knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
