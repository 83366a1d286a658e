"""One reference for some methods, another for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cenote.testing.goldens import GoldenRow
from golden_references.base import Maker, Reference

__all__ = ["by_method"]


def by_method(makers: Mapping[str, Maker], otherwise: Maker) -> Maker:
    """Return a maker that takes the one for the method of the row's first call."""

    def make(row: GoldenRow, folder: Path) -> Reference:
        return makers.get(row.calls[0].method, otherwise)(row, folder)

    return make
