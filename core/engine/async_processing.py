"""One request to an IO processor, awaited: its hooks in threads, its prompts in the queue, all within a deadline."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

from cenote.io_processors.calls import AwaitingCalls
from cenote.io_processors.context import Encoding, RequestContext
from cenote.io_processors.host import unique_id
from cenote.io_processors.loaded import LoadedProcessor
from cenote.io_processors.runner import Observe, ProcessorRun
from cenote.io_processors.work import Work
from cenote.outputs import PoolingRequestOutput
from cenote.types import PoolingParams, Role

__all__ = ["process"]


async def process(
    who: LoadedProcessor,
    data: Any,
    run_model: Callable[[Work], Awaitable[list[PoolingRequestOutput]]],
    *,
    params: PoolingParams,
    role: Role | None,
    encoding: Encoding | None,
    request_id: str,
    deadline: float | None,
    count_tokens: Callable[[str], int],
    observe: Observe | None,
    max_items: int | None,
) -> Any:
    """Return a processor's answer to `data`, as JSON can hold it; `AsyncLLM.process` says the rest.

    Args:
        who: the processor.
        data: of the request.
        run_model: gives the results of at least one prompt.
        params: the caller's.
        role: the caller's.
        encoding: the caller's.
        request_id: id of the answer.
        deadline: time of `time.monotonic`.
        count_tokens: of a text as a prompt of the request.
        observe: hears of the stages.
        max_items: of the data, and prompts made of it; None is any number.
    """
    gone = threading.Event()
    context = RequestContext(
        request_id=unique_id(request_id),
        params=params,
        role=role,
        encoding=encoding or Encoding(),
        deadline=deadline,
        is_cancelled=gone.is_set,
        in_thread=who.in_thread,
        count_tokens=count_tokens,
    )
    run = ProcessorRun(who, context, AwaitingCalls(), observe, max_items)
    try:
        async with asyncio.timeout(None if deadline is None else deadline - time.monotonic()) as limit:
            work = await run.begin(data)
            with run.running(work):
                outputs = await run_model(work) if work.prompts else []
            return (await run.end(outputs)).data
    except TimeoutError as exc:
        if limit.expired():
            raise run.late() from exc
        raise
    finally:
        gone.set()
