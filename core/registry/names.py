"""Listing known names in error messages without loading what they stand for."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["nearest"]


def nearest(name: str, known: Iterable[str], count: int = 3) -> str:
    """Return the closest known names as text, best first, and how many there are in all."""
    pool = sorted(set(known))
    if not pool:
        return "none"
    lowered = {candidate.lower(): candidate for candidate in pool}
    close = [lowered[match] for match in difflib.get_close_matches(name.lower(), lowered, n=count, cutoff=0.0)]
    if len(pool) <= count:
        return ", ".join(close)
    return f"{', '.join(close)} (nearest of {len(pool)})"
