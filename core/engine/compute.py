"""How torch computes in this process: its threads, chosen once before the first model is loaded."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from cenote.engine.cores import usable_cores
from cenote.errors import InvalidRequest
from cenote.kernels.forks import spare_forked_threads

__all__ = ["allocator", "choose_threads", "prepare_compute"]

_log = logging.getLogger(__name__)

#: With any of these the user decided already; OpenMP and MKL read them when torch is imported.
_DECIDED = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
_ALLOCATORS = ("jemalloc", "mimalloc", "tcmalloc")


def choose_threads(current: int, usable: int, environment: Mapping[str, str]) -> tuple[int, str]:
    """Return how many threads torch computes with, and why.

    torch counts the cores that it sees. Where a quota allows fewer, so many threads wait for one another, so their
    number is lowered to it; it is never raised, as a program that embeds cenote may have chosen less.

    Args:
        current: torch's own number.
        usable: cores that this process may use.
        environment: variables; `CENOTE_THREADS` decides, then those of OpenMP and MKL.

    Raises:
        InvalidRequest: `CENOTE_THREADS` is no positive number.
    """
    wanted = environment.get("CENOTE_THREADS", "")
    if wanted:
        if not wanted.isdecimal() or int(wanted) < 1:
            text = f"CENOTE_THREADS is the number of threads that compute, 1 or more, not {wanted!r}."
            raise InvalidRequest(text, param="CENOTE_THREADS")
        return int(wanted), "CENOTE_THREADS"
    named = [name for name in _DECIDED if environment.get(name)]
    if named:
        return current, named[0]
    if current > usable:
        return usable, f"usable cores, of {current} that torch counts"
    return current, "torch's own choice"


def prepare_compute() -> None:
    """Set the threads of torch as `choose_threads` says, or to one in a process forked from one that computed.

    Raises:
        InvalidRequest: `CENOTE_THREADS` is no positive number.
    """
    import torch

    if spare_forked_threads():
        return
    current = torch.get_num_threads()
    threads, reason = choose_threads(current, usable_cores(), os.environ)
    if threads != current:
        torch.set_num_threads(threads)
        _log.info("computing with %d threads (%s)", threads, reason)


def allocator(maps: Path = Path("/proc/self/maps"), environment: Mapping[str, str] = os.environ) -> str:
    """Name the memory allocator: one that is preloaded into this process, else the C library's, and what sets it.

    Its thresholds are left alone: the system, page faults included, takes under 0.5 % of the time of 2,000 texts.

    Args:
        maps: the kernel's list of what the process has in memory.
        environment: variables.
    """
    try:
        text = maps.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    loaded = next((f"{name} (preloaded)" for name in _ALLOCATORS if f"lib{name}" in text), "")
    named = [name for name in sorted(environment) if name.startswith("MALLOC_") or name == "GLIBC_TUNABLES"]
    return loaded or f"the C library's, set by {', '.join(named) if named else 'its own defaults'}"
