"""Numeric comparison whose failures name what differs, where, and by how much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["assert_all_close", "assert_close", "largest_difference"]


def _array(value: Any) -> NDArray[np.float64]:
    if hasattr(value, "detach"):
        value = value.detach().float().cpu().numpy()
    return np.asarray(value, dtype=np.float64)


def largest_difference(found: Any, expected: Any) -> float:
    """Return max |found - expected|, divided by max |expected| where that is above 1 (vectors not normalised)."""
    a, b = _array(found), _array(expected)
    if a.size == 0:
        return 0.0
    return float(np.abs(a - b).max() / max(1.0, np.abs(b).max()))


def assert_close(found: Any, expected: Any, *, tolerance: float, name: str = "result") -> None:
    """Fail unless two arrays have the same shape, only finite numbers, and differ by at most `tolerance`.

    Args:
        found: array or tensor.
        expected: array or tensor of the same shape.
        tolerance: bound on `largest_difference`.
        name: what is compared, for the message.
    """
    a, b = _array(found), _array(expected)
    assert a.shape == b.shape, f"{name}: shape {a.shape}, expected {b.shape}"
    assert np.isfinite(a).all(), f"{name}: {np.count_nonzero(~np.isfinite(a))} of {a.size} values are not finite"
    difference = largest_difference(a, b)
    if difference > tolerance:
        where = tuple(int(i) for i in np.unravel_index(np.abs(a - b).argmax(), a.shape))
        raise AssertionError(
            f"{name}: differs by {difference:.2e}, allowed {tolerance:.0e}; worst at {where}: "
            f"found {a[where]:.7g}, expected {b[where]:.7g}"
        )


def _by_name(values: Sequence[Any] | Mapping[str, Any]) -> dict[str, Any]:
    pairs = values.items() if isinstance(values, Mapping) else enumerate(values)
    return {str(key): value for key, value in pairs}


def assert_all_close(
    found: Sequence[Any] | Mapping[str, Any],
    expected: Sequence[Any] | Mapping[str, Any],
    *,
    tolerance: float,
    name: str = "result",
) -> None:
    """Compare two sequences, or two mappings with the same keys, entry by entry with `assert_close`."""
    a, b = _by_name(found), _by_name(expected)
    assert a.keys() == b.keys(), f"{name}: has {sorted(a)}, expected {sorted(b)}"
    for key, value in a.items():
        assert_close(value, b[key], tolerance=tolerance, name=f"{name}[{key}]")
