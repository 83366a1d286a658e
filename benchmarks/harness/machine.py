"""The machine of a run, and the kind of processor that figures are comparable within."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["capability", "lesser", "threads_of_run"]

#: From the most to the least able: name, and the flags of /proc/cpuinfo that it needs.
_KINDS = (
    ("amx", ("amx_tile", "amx_bf16", "amx_int8")),
    ("avx512_bf16", ("avx512f", "avx512_bf16")),
    ("avx512_vnni", ("avx512f", "avx512_vnni")),
    ("avx512", ("avx512f",)),
    ("avx2", ("avx2",)),
)


def capability(cpuinfo: str | None = None) -> str:
    """Return the most able kind that Linux tells of the processor, or `other`."""
    if cpuinfo is None:
        path = Path("/proc/cpuinfo")
        cpuinfo = path.read_text() if path.is_file() else ""
    line = next((line for line in cpuinfo.splitlines() if line.startswith("flags")), "")
    flags = set(line.partition(":")[2].split())
    return next((name for name, needed in _KINDS if flags.issuperset(needed)), "other")


def lesser(kind: str) -> list[str]:
    """Return a kind and all those that can do less; none for `other`. They are also names of levels of our kernels."""
    names = [name for name, _ in _KINDS]
    return names[names.index(kind) :] if kind in names else []


def threads_of_run(most: int | None = None) -> int:
    """Return the processors that this process may use, or fewer where `most` says so."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(own, most) if most else own
