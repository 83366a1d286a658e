"""Classes made of an IO processor's, which differ in one thing: to see in which threads and variants its hooks run."""

from __future__ import annotations

import threading
from typing import Any

from cenote.io_processors import IOProcessor

__all__ = ["blocking_only", "has_both", "watched"]

Kind = type[IOProcessor[Any, Any]]
_HOOKS = ("parse_data", "pre_process", "post_process")
_ASYNC = {"pre_process": "pre_process_async", "post_process": "post_process_async"}


def watched(kind: Kind) -> tuple[Kind, list[tuple[str, int]]]:
    """Return a class that does the same, and the list of (hook, thread) that its objects fill."""
    threads: list[tuple[str, int]] = []

    def noting(hook: str) -> Any:
        own = getattr(kind, hook)

        def call(self: Any, *arguments: Any, **named: Any) -> Any:
            threads.append((hook, threading.get_ident()))
            return own(self, *arguments, **named)

        return call

    return type(f"Watched{kind.__name__}", (kind,), {hook: noting(hook) for hook in _HOOKS}), threads


def has_both(kind: Kind) -> bool:
    """Tell whether a class has its own blocking and its own async variant of a hook."""
    return any(_is_own(kind, hook) and _is_own(kind, awaited) for hook, awaited in _ASYNC.items())


def blocking_only(kind: Kind) -> Kind:
    """Return a class whose blocking hooks are called wherever it has them."""
    undone = {awaited: getattr(IOProcessor, awaited) for hook, awaited in _ASYNC.items() if _is_own(kind, hook)}
    return type(f"Blocking{kind.__name__}", (kind,), undone)


def _is_own(kind: Kind, hook: str) -> bool:
    return getattr(kind, hook) is not getattr(IOProcessor, hook)
