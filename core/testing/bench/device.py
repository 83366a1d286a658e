"""Whether a device can compute here, found out before anything is loaded or drawn for it."""

from __future__ import annotations

from cenote.errors import InvalidRequest

__all__ = ["check_device"]


def check_device(device: str) -> None:
    """Compute one number on a device and read it back.

    Args:
        device: torch device string.

    Raises:
        InvalidRequest: there is no such device here, or nothing can be computed on it, as on `meta`.
    """
    import torch

    try:
        float(torch.ones(1, device=device) + 1)
    except (RuntimeError, AssertionError, ImportError) as exc:  # torch raises each of them, by the kind of device
        reason = str(exc).splitlines()[0].rstrip(".")
        text = f"There is no device {device[:80]!r} here that can compute ({reason[:200]}). Name another, such as cpu."
        raise InvalidRequest(text, param="device") from exc
