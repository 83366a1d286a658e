"""How many cores this process may use."""

from __future__ import annotations

import os
from math import ceil
from pathlib import Path

__all__ = ["usable_cores"]

_GROUPS = Path("/sys/fs/cgroup")


def usable_cores(groups: Path = _GROUPS) -> int:
    """Return the cores that the scheduler gives this process: those of its affinity, or fewer where a quota says so.

    A container with `--cpus=2` sees every core of its host. With a thread on each of them, torch is slower than with
    two, since the quota is used up in a fraction of each period.

    Args:
        groups: where the file system of control groups is mounted.

    Source: `cpu.max` of control groups v2, `cpu.cfs_quota_us` and `cpu.cfs_period_us` of v1, in the kernel's
    Documentation/admin-guide/cgroup-v2.rst and Documentation/scheduler/sched-bwc.rst.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(groups)
    return cores if quota is None else max(1, min(cores, ceil(quota)))


def _quota(groups: Path) -> float | None:
    """Return the cores of the quota; None where there is no limit or it cannot be read."""
    try:
        if (groups / "cpu.max").is_file():
            allowed, period = (groups / "cpu.max").read_text().split()
        else:
            allowed = (groups / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (groups / "cpu" / "cpu.cfs_period_us").read_text().strip()
        cores = float(allowed) / float(period)
    except (OSError, ValueError, ZeroDivisionError):  # "max" is no number
        return None
    return cores if cores > 0 else None
