"""Compiled CPU kernels for cenote, backends `native` of its operators.

Importing this package loads nothing; the modules of single operators load the compiled object.
"""

from __future__ import annotations

__all__: list[str] = []
