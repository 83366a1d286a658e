"""Which kernels compute with a tensor: the one place that asks a tensor where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["device_type_of"]


def device_type_of(tensor: Tensor) -> str:
    """Return the device type of a tensor, such as `cuda`.

    Callers take it from this module each time (`devices.device_type_of(tensor)`): a test that puts another function in
    its place sees what the engine would call on a device that the machine does not have.
    """
    return tensor.device.type
