"""The engine and its two faces: `LLM` blocks, `AsyncLLM` awaits. Importing this package loads no torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cenote.engine.async_llm import AsyncLLM
    from cenote.engine.core import Engine
    from cenote.engine.llm import LLM
    from cenote.engine.loop import ComputeLoop
    from cenote.engine.stats import EngineStats

_HOMES = {"AsyncLLM": "async_llm", "ComputeLoop": "loop", "Engine": "core", "EngineStats": "stats", "LLM": "llm"}

__all__ = ["LLM", "AsyncLLM", "ComputeLoop", "Engine", "EngineStats"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'cenote.engine' has no attribute {name!r}")
    return getattr(import_module(f"cenote.engine.{_HOMES[name]}"), name)
