"""The machine of a run, and the kind of processor that figures are comparable within."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

__all__ = ["capability", "lesser", "threads_of_run"]

#: From the least to the most able: name, and the flags of /proc/cpuinfo that it needs beside those of all before it.
#: These are the levels of our kernels (plugins/cpu_kernels/native/isa.cpp) and what each is compiled with, so that a
#: processor never counts as one for which they have another level.
_KINDS = (
    ("avx2", ("avx2", "fma")),  # floats in registers of 256 bits, and products that are added without rounding between
    # The registers of 512 bits (f), 16-bit values in them (bw), logic on floats and their halves (dq), and masks on
    # shorter registers (vl). Xeon Phi has only the first.
    ("avx512", ("avx512f", "avx512bw", "avx512dq", "avx512vl")),
    ("avx512_vnni", ("avx512_vnni",)),  # int8 products
    ("avx512_bf16", ("avx512_bf16",)),  # bfloat16 products; where these are, int8 ones are taken for granted
    ("amx", ("amx_tile", "amx_bf16", "amx_int8")),  # tiles, and products of bfloat16 and of int8 in them
)
#: Number of the call of Linux on x86-64 by which a process asks for tiles, and its arguments (isa.cpp has the source).
_ASK_FOR_TILES = (158, 0x1023, 18)


def capability(cpuinfo: str | None = None) -> str:
    """Return the most able kind that Linux tells of the processor, or `other`.

    Args:
        cpuinfo: as /proc/cpuinfo; None reads that of this machine, whose system must also let this process use tiles.
    """
    path = Path("/proc/cpuinfo")
    text = cpuinfo if cpuinfo is not None else path.read_text() if path.is_file() else ""
    line = next((line for line in text.splitlines() if line.startswith("flags")), "")
    flags = set(line.partition(":")[2].split())
    found = "other"
    for name, needed in _KINDS:
        if not flags.issuperset(needed) or (name == "amx" and cpuinfo is None and not _may_use_tiles()):
            break
        found = name
    return found


def _may_use_tiles() -> bool:
    """Ask Linux for tiles, which it gives only to processes that ask."""
    return bool(ctypes.CDLL(None).syscall(*map(ctypes.c_long, _ASK_FOR_TILES)) == 0)


def lesser(kind: str) -> list[str]:
    """Return a kind and all those that can do less; none for `other`. They are also names of levels of our kernels."""
    names = [name for name, _ in reversed(_KINDS)]
    return names[names.index(kind) :] if kind in names else []


def threads_of_run(most: int | None = None) -> int:
    """Return the processors that this process may use, or fewer where `most` says so."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(own, most) if most else own
