"""Options of cenote, validated: what users set, and where each resolved value came from.

Names are resolved on first use: the file of plugins is read by commands that need no pydantic.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cenote.config.engine import EngineConfig
    from cenote.config.pooler import PoolerConfig
    from cenote.config.resolve import Fact, Resolved, first_set

__all__ = ["EngineConfig", "Fact", "PoolerConfig", "Resolved", "first_set"]

_HOMES = {
    "EngineConfig": "cenote.config.engine",
    "Fact": "cenote.config.resolve",
    "PoolerConfig": "cenote.config.pooler",
    "Resolved": "cenote.config.resolve",
    "first_set": "cenote.config.resolve",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'cenote.config' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
