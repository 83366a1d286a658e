"""How layers learn that somebody waits. It imports no torch, since interfaces of models do not."""

from __future__ import annotations

from ctypes import c_int32
from dataclasses import dataclass

__all__ = ["Interrupt"]


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Asks those who run layers to return between two of them.

    Attributes:
        flag: not 0 once they shall; other threads change it meanwhile. Compiled code reads it at its address.
        least: layers to run whatever it says, at least one.
    """

    flag: c_int32
    least: int = 1

    def is_due(self, layers: int) -> bool:
        """Tell whether to return, after so many layers."""
        return layers >= self.least and bool(self.flag.value)
