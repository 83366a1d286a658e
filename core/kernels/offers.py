"""Every installed backend of an operator, and which of them a device may use: for reports, not for the hot path."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

from cenote.errors import PluginError
from cenote.kernels.base import Kernel
from cenote.kernels.dispatch import GROUP, get_kernel, load_kernel, place_of
from cenote.registry import default_registry

__all__ = ["Offer", "kernel_offers", "taken_offer"]


@dataclass(frozen=True, slots=True)
class Offer:
    """An installed backend.

    Attributes:
        backend: such as `cpu`.
        source: distribution and version.
        kernel: the implementation; None where it cannot be used.
        reason: why it is passed over on the device, or nothing where it is tried in its turn.
    """

    backend: str
    source: str
    kernel: Kernel | None
    reason: str


def kernel_offers(operator: str, device_type: str) -> list[Offer]:
    """Return the backends of an operator in the order in which they are tried, and behind them the others."""
    registry = default_registry()
    entries = registry.entries(GROUP)
    names = [name for name in entries if name.startswith(f"{operator}:")]
    places = {name: place_of(registry, name, device_type) for name in names}
    tried = sorted((place, name) for name, place in places.items() if place is not None)
    offers = []
    for name in [*(name for _, name in tried), *sorted(name for name in names if places[name] is None)]:
        kernel, reason = None, ""
        try:
            kernel = load_kernel(registry, name)
        except PluginError as exc:
            reason = str(exc)
        else:
            if places[name] is None:
                reason = f"is not offered for {device_type}"
        offers.append(Offer(name.partition(":")[2], str(entries[name][0].source), kernel, reason))
    return offers


def taken_offer(operator: str, device_type: str) -> Offer | None:
    """Return the backend that the engine takes: the first that works, or that which `CENOTE_KERNELS` names.

    Raises:
        UnknownPlugin: as `get_kernel`.
        PluginError: as `get_kernel`.
    """
    chosen = inspect.unwrap(get_kernel(operator, device_type))
    offers = kernel_offers(operator, device_type)
    return next((offer for offer in offers if offer.kernel and inspect.unwrap(offer.kernel) is chosen), None)
