"""Let work for one HTTP request run while its client listens, within the deadline, and until the server must stop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.types import Receive

from cenote.server.api_error import ApiError, ClientGone
from cenote.server.contained import contained
from cenote.server.state import ServerState

__all__ = ["run_guarded"]

T = TypeVar("T")

#: Seconds that work may take to end once it is cancelled; that of a plugin may take longer, or never end.
_PATIENCE = 1.0
#: Seconds for which nobody listens whether the client leaves: most work has ended by then, and needs no second task.
_UNWATCHED = 0.05


async def run_guarded(work: Coroutine[Any, Any, T], receive: Receive, state: ServerState) -> T:
    """Await `work`, but stop it when the client leaves, the deadline passes or the server must stop.

    Raises:
        ApiError: 504 beyond the deadline, 503 when the server stops.
        ClientGone: the client left.
    """
    job = asyncio.ensure_future(contained(work))
    gone: asyncio.Future[None] | None = None
    abort = state.aborted()
    limit = state.config.request_timeout
    unwatched = min(_UNWATCHED, limit)
    first: set[asyncio.Future[Any]] = {job, abort}
    try:
        await asyncio.wait(first, timeout=unwatched, return_when="FIRST_COMPLETED")
        if job.done():
            return job.result()
        gone = asyncio.ensure_future(_disconnected(receive))
        gone.add_done_callback(_collect)
        await asyncio.wait({*first, gone}, timeout=limit - unwatched, return_when="FIRST_COMPLETED")
        if job.done():
            return job.result()
        if gone.done():
            raise ClientGone
        if abort.done():
            raise ApiError(503, "ServiceUnavailableError", "The server is shutting down.", headers={"Retry-After": "1"})
        raise ApiError(504, "GatewayTimeoutError", f"The request took longer than {limit:g} s and was cancelled.")
    finally:
        if gone is not None:
            gone.cancel()
        if not job.done():
            job.cancel()
            job.add_done_callback(_collect)
            await asyncio.wait([job], timeout=_PATIENCE)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _collect(ended: asyncio.Future[Any]) -> None:
    """Look at what a future ends with: an error that nobody looks at would be logged at exit."""
    if not ended.cancelled():
        ended.exception()
