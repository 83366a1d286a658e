"""Choose an implementation of an operator for a device, and say why.

Implementations are entry points of the group `cenote.kernels`, named `operator:backend`; a plugin may add a backend of
an operator of the core, or an operator of its own. Automatic choice falls back and logs each rejection; a choice
forced by `CENOTE_KERNELS` is taken or raises.
"""

from __future__ import annotations

import logging
import os
from functools import lru_cache
from typing import TYPE_CHECKING

from cenote.errors import PluginError, UnknownPlugin
from cenote.kernels import devices
from cenote.kernels.base import Kernel
from cenote.kernels.guarded import guarded_kernel
from cenote.registry import Entry, Registry, default_registry

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "GROUP",
    "OPERATORS",
    "backend_of",
    "check_forced_kernels",
    "forced_kernels",
    "get_kernel",
    "kernel_for",
    "load_kernel",
    "place_of",
    "raise_if_forced",
]

_log = logging.getLogger(__name__)

#: Of entry points.
GROUP = "cenote.kernels"
_VARIABLE = "CENOTE_KERNELS"
#: Characters of a word of it that an error repeats.
_SHOWN = 80
#: Operators of the core.
OPERATORS = (
    "varlen_attention",
    "linear",
    "residual_norm",
    "bias_act",
    "rotary",
    "segment_pool",
    "l2_normalize",
    "maxsim",
    "term_max",
)
#: The place of backends whose implementation does not say for which devices it is; the highest is tried first.
_KNOWN = {"cuda": {"triton": 20, "cpu": 10, "reference": 0}, "cpu": {"cpu": 10, "reference": 0}}


@lru_cache(maxsize=64)
def _select(operator: str, device_type: str, variable: str, generation: int) -> tuple[Kernel, str]:
    """Choose and name; the generation is the registry's, so that nothing is kept that a change of it outdates."""
    registry = default_registry()
    forced = _forced(operator, variable)
    if forced:
        if f"{operator}:{forced}" not in registry.entries(GROUP):
            raise _not_installed(registry, f"{operator}:{forced}")
        _say(logging.INFO, f"{operator} on {device_type}: {forced}, which CENOTE_KERNELS asks for")
        return load_kernel(registry, f"{operator}:{forced}", is_forced=True), forced
    offers = registry.entries(GROUP)
    names = [name for name in offers if name.startswith(f"{operator}:")]
    if not names:
        known = sorted({name.partition(":")[0] for name in offers})
        raise UnknownPlugin(f"No implementation of operator {operator!r} is installed. Known: {', '.join(known)}.")
    ranked = sorted(found for name in names if (found := place_of(registry, name, device_type)) is not None)
    for *_, name in ranked:
        try:
            kernel = load_kernel(registry, name)
        except PluginError as exc:
            _say(logging.WARNING, f"{operator} on {device_type}: {name.partition(':')[2]} is passed over: {exc}")
            continue
        order = ", ".join(each.partition(":")[2] for *_, each in ranked)
        backend = name.partition(":")[2]
        chosen = f"{backend} of {offers[name][0].source}"
        _say(logging.INFO, f"{operator} on {device_type}: {chosen}, the first that works of {order}")
        return kernel, backend
    raise UnknownPlugin(
        f"No implementation of operator {operator!r} is for the device {device_type!r}, or each is broken. Installed: "
        f"{', '.join(sorted(names))}. CENOTE_KERNELS=OPERATOR:BACKEND takes one nevertheless."
    )


@lru_cache(maxsize=256)
def _say(level: int, text: str) -> None:
    """Log a choice or a rejection, each only once however often the choice is made anew."""
    _log.log(level, "%s", text)


def place_of(registry: Registry, name: str, device_type: str) -> tuple[bool, int, bool, str] | None:
    """Return the place of an implementation in the order in which they are tried, or None where it is not for this.

    What says its devices is placed by its own number, with those of the core before it among equals. Of the rest, the
    known names have their place; a stranger's come after all others, as its name alone does not say that it is meant
    for everybody who installed it.
    """
    entries = registry.entries(GROUP)[name]
    built_in = entries[0].is_built_in
    if not built_in:
        try:
            kernel = registry.get(GROUP, name)
        except PluginError as exc:
            _say(logging.WARNING, f"{name} is passed over: {exc}")
            return None
        devices = getattr(kernel, "devices", None)
        if devices is not None:
            return (False, -getattr(kernel, "priority", 0), True, name) if device_type in devices else None
    place = _KNOWN.get(device_type, _KNOWN["cpu"]).get(name.partition(":")[2])
    return None if place is None else (not built_in, -place, not built_in, name)


def load_kernel(registry: Registry, name: str, *, is_forced: bool = False) -> Kernel:
    """Import `operator:backend`; what a plugin's raises becomes an error that names it.

    Args:
        registry: where it is.
        name: of the entry point.
        is_forced: somebody asked for it; then those of the core are named as well, so that nobody mistakes what they
            raise for a model that cannot be run this way (`raise_if_forced`). The reference is what others are
            compared with.

    Raises:
        PluginError: it cannot be imported, or is no kernel.
    """
    kernel: Kernel = registry.get(GROUP, name)
    entry: Entry = registry.entries(GROUP)[name][0]
    is_trusted = entry.is_built_in and not (is_forced and not name.endswith(":reference"))
    return kernel if is_trusted else guarded_kernel(entry, kernel)


def _wanted(variable: str) -> dict[str | None, str]:
    """Return the backend that the variable names for each operator, and under None the one for all others.

    Raises:
        UnknownPlugin: it names two for the same, so that neither is the one.
    """
    wanted: dict[str | None, str] = {}
    for word in (stripped for part in variable.split(",") if (stripped := part.strip())):
        operator, colon, backend = word.partition(":")
        key, backend = (operator, backend) if colon else (None, word)
        known = wanted.setdefault(key, backend)
        if known != backend:
            first = f"{key}:{known}" if colon else known
            what = f"the operator {_shown(operator)}" if colon else "every operator"
            text = f"{_VARIABLE} asks for {_shown(first)} and for {_shown(word)}, both for {what}. Keep one of them."
            raise UnknownPlugin(text, plugin=word)
    return wanted


def _shown(word: str) -> str:
    """Quote a word of the variable, cut where it is so long that it would hide the rest of an error."""
    return repr(word if len(word) <= _SHOWN else f"{word[:_SHOWN]}...")


def _forced(operator: str, variable: str) -> str:
    """Return the backend that the variable names for an operator, if any; `operator:backend` goes before `backend`."""
    wanted = _wanted(variable)
    return wanted.get(operator, wanted.get(None, ""))


def forced_kernels() -> dict[str, str]:
    """Return the backend of each operator of the core that `CENOTE_KERNELS` names one for.

    Raises:
        UnknownPlugin: it names two for the same, so that neither is the one.
    """
    variable = os.environ.get(_VARIABLE, "")
    return {operator: backend for operator in OPERATORS if (backend := _forced(operator, variable))}


def raise_if_forced(error: BaseException) -> None:
    """Raise the error of a kernel that `CENOTE_KERNELS` asks for, where others only mean that something is not tried.

    Raises:
        PluginError: it is one.
    """
    if not isinstance(error, PluginError):
        return
    operator, _, backend = error.plugin.partition(":")
    if backend and forced_kernels().get(operator) == backend:
        raise error


def check_forced_kernels() -> None:
    """Check the words of `CENOTE_KERNELS`, and import what they name, before anything depends on it.

    A backend without an operator must exist for every operator of the core that no other word names.

    Raises:
        UnknownPlugin: a word names what is not installed, or two words name different backends for the same.
        PluginError: what a word names is broken.
    """
    variable, registry = os.environ.get(_VARIABLE, ""), default_registry()
    wanted = [f"{operator}:{backend}" for operator, backend in _wanted(variable).items() if operator is not None]
    wanted += [f"{operator}:{backend}" for operator, backend in forced_kernels().items()]
    for name in dict.fromkeys(wanted):
        if name not in registry.entries(GROUP):
            raise _not_installed(registry, name)
        registry.get(GROUP, name)


def _not_installed(registry: Registry, name: str) -> UnknownPlugin:
    operator, names = name.partition(":")[0], registry.names(GROUP)
    backends = [each.partition(":")[2] for each in names if each.startswith(f"{operator}:")]
    if backends:
        hint = f"Installed for {operator}: {', '.join(backends)}."
    else:
        hint = f"Installed operators: {', '.join(sorted({each.partition(':')[0] for each in names}))}."
    reason = "".join(f" {rejection.error()}" for rejection in registry.rejections(GROUP, name)[:1])
    text = f"{_VARIABLE} asks for {_shown(name)}, which is not installed. {hint}{reason}"
    return UnknownPlugin(text, plugin=name)


def get_kernel(operator: str, device_type: str = "cpu") -> Kernel:
    """Return the implementation of an operator for a device type (`cpu`, `cuda`).

    The variable `CENOTE_KERNELS` names a backend for every operator, such as `reference`, or backends of single ones,
    such as `segment_pool:acme,varlen_attention:reference`. Else the order is that which `Kernel` describes.

    Raises:
        UnknownPlugin: nothing installed offers the operator for the device, or the forced backend; or two are forced.
        PluginError: the forced backend does not import.
    """
    return _chosen(operator, device_type)[0]


def backend_of(operator: str, device_type: str = "cpu") -> str:
    """Return the name of the backend that `get_kernel` takes; it raises what that raises."""
    return _chosen(operator, device_type)[1]


def _chosen(operator: str, device_type: str) -> tuple[Kernel, str]:
    return _select(operator, device_type, os.environ.get(_VARIABLE, ""), default_registry().generation)


def kernel_for(operator: str, tensor: Tensor) -> Kernel:
    """Return the implementation of an operator for the device of a tensor, as `get_kernel` does."""
    return get_kernel(operator, devices.device_type_of(tensor))
