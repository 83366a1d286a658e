"""Await what an engine computes for one HTTP request; its end is told to the log and to those who hear of requests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from fastapi import Request

from cenote.errors import QueueFull
from cenote.hooks import RequestDone
from cenote.server.api_error import ApiError, ClientGone
from cenote.server.guard import run_guarded
from cenote.server.request_log import log_inference
from cenote.server.stages import Stages
from cenote.server.state import state_of
from cenote.server.usage import prompts_read

if TYPE_CHECKING:
    from cenote.outputs import RequestOutput

__all__ = ["measured"]

T = TypeVar("T")


async def measured(
    request: Request,
    work: Coroutine[Any, Any, T],
    stages: Stages,
    prompts: Sequence[object],
    *,
    outputs_of: Callable[[T], Sequence[RequestOutput[Any]]],
) -> T:
    """Await an engine's answer for the client, and count and log it under the names of model and task.

    Args:
        request: of the client.
        work: gives the answer.
        stages: of the request; kept with it.
        prompts: what is computed on, for the log.
        outputs_of: from the answer to the results of the model in it.

    Raises:
        ApiError: 504 beyond the deadline, 503 when the server stops.
        ClientGone: the client left.
    """
    stages.keep(request.scope)
    outputs: Sequence[RequestOutput[Any]] | None = None
    try:
        with _ending(request, stages):
            answer = await run_guarded(work, request.receive, state_of(request))
        outputs = outputs_of(answer)
    finally:
        log_inference(request, (stages.model, stages.task), prompts, outputs)
    _tell_answer(request, stages, outputs)
    return answer


@contextmanager
def _ending(request: Request, stages: Stages) -> Iterator[None]:
    """Tell how the work in the block ends, unless it ends well."""
    outcome: Literal["abort", "refused", "error"] = "error"
    try:
        yield
    except BaseException as exc:
        if isinstance(exc, QueueFull):
            outcome = "refused"
        elif isinstance(exc, ApiError | ClientGone | asyncio.CancelledError):
            outcome = "abort"
        event = RequestDone(
            model=stages.model,
            task=stages.task,
            request_id=getattr(request.state, "request_id", ""),
            outcome=outcome,
            seconds=time.perf_counter() - stages.clock.begin,
        )
        state_of(request).hooks.tell("cenote_request_done", event)
        raise


def _tell_answer(request: Request, stages: Stages, outputs: Sequence[RequestOutput[Any]]) -> None:
    """Tell of a request that the engine answered."""
    read, clock = prompts_read(outputs), stages.clock
    tokens = tuple(prompt.tokens for prompt in read)
    stages.note_answer(len(outputs), sum(tokens))
    event = RequestDone(
        model=stages.model,
        task=stages.task,
        request_id=getattr(request.state, "request_id", ""),
        outcome="stop",
        seconds=stages.answered - clock.begin,
        tokenizing=clock.tokenizing,
        queueing=clock.queueing,
        computing=clock.computing,
        items=len(outputs),
        prompt_tokens=tokens,
        truncated_tokens=sum(prompt.truncated_tokens for prompt in read),
    )
    state_of(request).hooks.tell("cenote_request_done", event)
