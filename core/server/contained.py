"""Let nothing that code of a plugin raises end the event loop, which all requests share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["ContainExits", "contained"]

T = TypeVar("T")


async def contained(work: Awaitable[T]) -> T:
    """Await `work`; what is no plain exception becomes one, unless it cancels the task that awaits.

    An event loop ends with `SystemExit` and `KeyboardInterrupt` of a task. The Ctrl-C of a person is no such thing: a
    server has its own handler of that signal.

    Raises:
        RuntimeError: in place of `SystemExit`, `KeyboardInterrupt` and the like, which is its cause.
    """
    try:
        return await work
    except Exception:
        raise
    except BaseException as exc:
        task = asyncio.current_task()
        if isinstance(exc, asyncio.CancelledError) and (task is None or task.cancelling()):
            raise
        raise RuntimeError(f"a request raised {type(exc).__name__}") from exc


class ContainExits:
    """Innermost middleware: what a route raises is an exception before any other middleware sees it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http":
            await contained(self._app(scope, receive, send))
        else:
            await self._app(scope, receive, send)
