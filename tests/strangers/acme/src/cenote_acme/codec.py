"""Vectors of -1, 0 and 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["TERNARY", "Ternary"]


class Ternary:
    """The sign of each component that is larger than its vector's mean size, else 0."""

    def encode(self, rows: NDArray[np.float32], param: str) -> NDArray[np.int8]:
        """Return [n, d] int8."""
        sizes = np.abs(rows)
        return np.where(sizes > sizes.mean(axis=1, keepdims=True), np.sign(rows), 0).astype(np.int8)


TERNARY = Ternary()
