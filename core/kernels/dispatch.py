"""Choose an implementation of an operator for a device, and say why.

Implementations are entry points of the group `cenote.kernels`, named `operator:backend`; a plugin may add a backend of
an operator of the core, or an operator of its own. Automatic choice falls back and logs each rejection once; a choice
forced by `CENOTE_KERNELS` is taken or raises.
"""

from __future__ import annotations

import logging
import os
from functools import lru_cache

from cenote.errors import PluginError, UnknownPlugin
from cenote.kernels.base import Kernel
from cenote.registry import default_registry

__all__ = ["OPERATORS", "get_kernel"]

_log = logging.getLogger(__name__)

#: Operators of the core.
OPERATORS = ("varlen_attention", "linear", "segment_pool", "l2_normalize")
#: Backends in the order they are tried.
_ORDER = {"cuda": ("triton", "cpu", "reference"), "cpu": ("cpu", "reference")}


@lru_cache(maxsize=64)
def _select(operator: str, device_type: str, variable: str) -> Kernel:
    registry = default_registry()
    forced = _forced(operator, variable)
    if forced:
        _log.info("%s: backend %s (CENOTE_KERNELS)", operator, forced)
        return registry.get("cenote.kernels", f"{operator}:{forced}")  # type: ignore[no-any-return]
    for backend in _ORDER.get(device_type, _ORDER["cpu"]):
        try:
            kernel: Kernel = registry.get("cenote.kernels", f"{operator}:{backend}")
        except UnknownPlugin:
            _log.debug("%s: no backend %s is installed", operator, backend)
            continue
        except PluginError as exc:
            _log.warning("%s: backend %s is passed over: %s", operator, backend, exc)
            continue
        _log.debug("%s: backend %s for %s", operator, backend, device_type)
        return kernel
    known = sorted({name.partition(":")[0] for name in registry.names("cenote.kernels")})
    raise UnknownPlugin(f"No implementation of operator {operator!r} is installed. Known: {', '.join(known)}.")


def _forced(operator: str, variable: str) -> str:
    """Return the backend that the variable names for an operator, if any; `operator:backend` goes before `backend`."""
    words = [word.strip() for word in variable.split(",")]
    own = [word.removeprefix(f"{operator}:") for word in words if word.startswith(f"{operator}:")]
    return next(iter([*own, *(word for word in words if word and ":" not in word)]), "")


def get_kernel(operator: str, device_type: str = "cpu") -> Kernel:
    """Return the implementation of an operator for a device type (`cpu`, `cuda`).

    The variable `CENOTE_KERNELS` names a backend for every operator, such as `reference`, or backends of single ones,
    such as `segment_pool:acme,varlen_attention:reference`.

    Raises:
        UnknownPlugin: nothing installed offers the operator, or the forced backend.
        PluginError: the forced backend does not import.
    """
    return _select(operator, device_type, os.environ.get("CENOTE_KERNELS", ""))
