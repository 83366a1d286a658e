"""The types of references."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from cenote.testing.goldens import GoldenRow

__all__ = ["Maker", "Reference"]

#: From a method, its inputs and its options to one result per input.
Reference: TypeAlias = Callable[[str, Sequence[Any], Mapping[str, Any]], Sequence[Any]]
#: From a row and the folder of its checkpoint to a reference.
Maker: TypeAlias = Callable[[GoldenRow, Path], Reference]
