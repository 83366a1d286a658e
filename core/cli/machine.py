"""What the machine is, as `cenote env` shows it."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from cenote.engine.compute import allocator, choose_threads
from cenote.engine.cores import usable_cores

__all__ = ["kernel_facts", "machine_facts", "torch_facts"]

_INTERESTING_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_int8", "asimd")


def machine_facts() -> dict[str, str]:
    """Return operating system, processor, usable threads and memory; imports no torch."""
    cpu = _proc_fields(Path("/proc/cpuinfo"))
    flags = (cpu.get("flags") or cpu.get("Features") or "").split()
    facts = {
        "system": platform.platform(),
        "cpu": cpu.get("model name") or platform.processor() or platform.machine(),
        "cpu features": ", ".join(flag for flag in _INTERESTING_FLAGS if flag in flags) or "unknown",
        "threads": f"{usable_cores()} usable of {os.cpu_count() or 0}",
        "allocator": allocator(),
    }
    total = _proc_fields(Path("/proc/meminfo")).get("MemTotal", "").split()
    if total:
        facts["memory"] = f"{int(total[0]) / 2**20:.1f} GiB"
    return facts


def torch_facts() -> dict[str, str]:
    """Import torch and return its threads, as a model gets them, and its devices."""
    import torch

    threads, reason = choose_threads(torch.get_num_threads(), usable_cores(), os.environ)
    facts = {
        "threads": str(threads),
        "threads chosen by": reason,
        "threads between operators": str(torch.get_num_interop_threads()),
        "openmp waiting": os.environ.get("OMP_WAIT_POLICY") or "spins a while, then sleeps (OMP_WAIT_POLICY is unset)",
        "cpu capability": torch.backends.cpu.get_cpu_capability(),
        "cuda": torch.version.cuda or "not built in",
    }
    for index in range(torch.cuda.device_count()):
        facts[f"cuda:{index}"] = torch.cuda.get_device_name(index)
    return facts


def kernel_facts() -> dict[str, str]:
    """Import torch and return which backend each operator has here: those of a GPU where there is one."""
    import torch

    from cenote.kernels import OPERATORS

    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    return {
        operator if device == "cpu" else f"{operator} on {device}": _backend(operator, device)
        for device in devices
        for operator in OPERATORS
    }


def _backend(operator: str, device: str) -> str:
    from cenote.errors import CenoteError
    from cenote.kernels.offers import taken_offer

    try:
        taken = taken_offer(operator, device)
    except CenoteError as exc:
        return f"none: {exc}"
    if taken is None:
        return "unknown"
    about = getattr(taken.kernel, "about", "")
    return f"{taken.backend}{f' ({about})' if about else ''} of {taken.source}"


def _proc_fields(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    fields: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    return fields
