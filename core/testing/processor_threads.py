"""An IO processor that notes in which threads its sync hooks are called."""

from __future__ import annotations

import threading
from typing import Any

from cenote.io_processors import IOProcessor

__all__ = ["watched"]

_HOOKS = ("parse_data", "pre_process", "post_process")


def watched(kind: type[IOProcessor[Any, Any]]) -> tuple[type[IOProcessor[Any, Any]], list[tuple[str, int]]]:
    """Return a class that does the same, and the list of (hook, thread) that its objects fill."""
    threads: list[tuple[str, int]] = []

    def noting(hook: str) -> Any:
        own = getattr(kind, hook)

        def call(self: Any, *arguments: Any, **named: Any) -> Any:
            threads.append((hook, threading.get_ident()))
            return own(self, *arguments, **named)

        return call

    return type(f"Watched{kind.__name__}", (kind,), {hook: noting(hook) for hook in _HOOKS}), threads
