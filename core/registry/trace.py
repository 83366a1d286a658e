"""Printing why each decision about plugins was taken."""

from __future__ import annotations

import sys
from collections.abc import Mapping

__all__ = ["trace"]


def trace(environment: Mapping[str, str], message: str) -> None:
    """Print one decision to standard error when CENOTE_TRACE_PLUGINS is 1."""
    if environment.get("CENOTE_TRACE_PLUGINS") == "1":
        print(f"cenote plugins: {message}", file=sys.stderr)
