"""The compiled object: loaded once, and the level of instructions that its functions may use."""

from __future__ import annotations

import ctypes
import logging
import os
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import torch  # noqa: F401  # first: the object then shares torch's OpenMP threads, as both name the same library

from cenote.errors import MissingDependency
from cenote_cpu_kernels.sources import fingerprint

__all__ = ["LEVELS", "check_sources", "level", "library", "offered", "require"]

_log = logging.getLogger(__name__)
_Kernel = TypeVar("_Kernel", bound=Callable[..., Any])

#: Levels of instructions, each containing those before it, by the numbers of `native/isa.h`.
LEVELS = ("none", "avx2", "avx512", "avx512_vnni", "avx512_bf16", "amx")
_VARIABLE = "CENOTE_CPU_KERNELS_LEVEL"
#: Above those of the core.
_PRIORITY = 30


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL:
    """Return the compiled object.

    Raises:
        MissingDependency: the distribution was built without a compiler, or the object does not load here.
    """
    spec = find_spec("cenote_cpu_kernels._native")
    if spec is None or spec.origin is None:
        raise MissingDependency(
            "cenote-cpu-kernels was built without its compiled object: there was no C++ compiler, or one that does not "
            "know the instructions. Install g++ 11 or newer, and install it again."
        )
    try:
        found = ctypes.CDLL(spec.origin)
    except OSError as exc:
        raise MissingDependency(f"The compiled kernels of cenote-cpu-kernels do not load: {exc}.") from exc
    check_sources(found, Path(spec.origin).parents[2] / "native")
    return found


def check_sources(compiled: ctypes.CDLL, folder: Path) -> None:
    """Refuse an object that was compiled from other sources than those of an editable installation.

    It would read the structures that it is given as others. A wheel has no sources, and was built with its object.

    Raises:
        MissingDependency: it was.
    """
    if not (folder / "isa.h").is_file():
        return
    told = getattr(compiled, "cenote_sources", None)
    if told is None or told() & 0xFFFFFFFF != fingerprint(folder):
        raise MissingDependency(
            "The compiled object of cenote-cpu-kernels is not that of the sources beside it, which have changed since. "
            "Install it again."
        )


@lru_cache(maxsize=1)
def level() -> int:
    """Return the level to use: the machine's, or a lower one that `CENOTE_CPU_KERNELS_LEVEL` names.

    Raises:
        MissingDependency: there is no compiled object, or the variable names no level, or one that the machine lacks.
    """
    found: int = library().cenote_level()
    wanted = os.environ.get(_VARIABLE, "") or LEVELS[found]
    if wanted not in LEVELS:
        raise MissingDependency(f"{_VARIABLE} must be one of {', '.join(LEVELS)}, not {wanted!r:.40}.")
    if LEVELS.index(wanted) > found:
        raise MissingDependency(f"{_VARIABLE} asks for {wanted}, and this machine offers {LEVELS[found]}. Unset it.")
    return LEVELS.index(wanted)


def require(lowest: str) -> int:
    """Return the level to use, where it is at least the named one.

    Raises:
        MissingDependency: the machine has fewer instructions, or there is no compiled object.
    """
    found = level()
    if found < LEVELS.index(lowest):
        raise MissingDependency(f"These kernels need {lowest}; this machine offers {LEVELS[found]}.")
    return found


def offered(lowest: str) -> Callable[[_Kernel], _Kernel]:
    """Offer a kernel for CPUs where the machine has the instructions of a level, and for nothing where it has not.

    What is missing is logged once, whatever the number of kernels.
    """

    def mark(kernel: _Kernel) -> _Kernel:
        kernel.devices = ("cpu",) if _has(lowest) else ()  # type: ignore[attr-defined]
        kernel.priority = _PRIORITY  # type: ignore[attr-defined]
        kernel.about = LEVELS[_level_or_none() or 0]  # type: ignore[attr-defined]
        return kernel

    return mark


@lru_cache(maxsize=len(LEVELS))
def _has(lowest: str) -> bool:
    found = _level_or_none()
    if found is not None and found < LEVELS.index(lowest):
        _log.info("cenote-cpu-kernels: kernels for %s are passed over; this machine has %s", lowest, LEVELS[found])
    return found is not None and found >= LEVELS.index(lowest)


@lru_cache(maxsize=1)
def _level_or_none() -> int | None:
    try:
        return level()
    except MissingDependency as exc:
        _log.warning("The kernels of cenote-cpu-kernels are passed over: %s", exc)
        return None
