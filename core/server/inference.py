"""Run prompts for one HTTP request: within the deadline, while the client listens, and counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import Request
from starlette.types import Receive

from cenote.errors import InvalidRequest, QueueFull
from cenote.server.api_error import ApiError, ClientGone
from cenote.server.models import ServedModel
from cenote.server.state import ServerState, state_of
from cenote.tasks import check_params, get_task
from cenote.types import PoolingParams, Prompt, Role, TokenizationOptions

if TYPE_CHECKING:
    from cenote.engine.async_llm import OnError
    from cenote.outputs import PoolingRequestOutput

__all__ = ["InferenceCall", "check_count", "infer"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceCall:
    """What a dialect asks of the engine.

    Attributes:
        model: the model that the request names.
        asked_name: how the request names it, or None.
        prompts: at least one.
        task: one that the model supports.
        params: what to compute.
        tokenization: how text becomes tokens.
        response_id: prefix and request id, as in `embd-1`.
        role: what the inputs are for.
        priority: lower is sooner.
        also: further tasks that the same pass answers; their results are in `outputs.by_task`.
        on_error: `item` gives a prompt that is wrong or fails an `error`, and the others their results.
    """

    model: ServedModel
    asked_name: str | None
    prompts: Sequence[Prompt]
    task: str
    params: PoolingParams
    tokenization: TokenizationOptions
    response_id: str
    role: Role | None = None
    priority: int = 0
    also: tuple[str, ...] = ()
    on_error: OnError = "raise"


def check_count(request: Request, prompts: Sequence[Prompt]) -> None:
    """Refuse more inputs than the operator allows in one request.

    Raises:
        InvalidRequest: as said.
    """
    most = state_of(request).config.max_items_per_request
    if len(prompts) > most:
        raise InvalidRequest(f"input has {len(prompts)} elements; at most {most} are allowed.", param="input")


async def infer(request: Request, call: InferenceCall) -> list[PoolingRequestOutput]:
    """Run the prompts and return their results in order.

    Raises:
        InvalidRequest: something about the request can never succeed.
        ApiError: 504 beyond the deadline, 503 when the server stops.
        ClientGone: the client left; what had not run by then is cancelled.
    """
    state, engine = state_of(request), call.model.engine
    # Checked here as well as in the engine, because the message carries the model's name as this client knows it, and
    # before tokenising, unlike the contract's order: what the model cannot do need not be tokenised to be refused.
    task = get_task(call.task, engine.supported_tasks)
    params = call.params if call.model.lora is None else replace(call.params, lora=call.model.lora)
    others = [get_task(name, engine.supported_tasks) for name in call.also]
    check_params(task, params, engine.limits, call.asked_name or call.model.name, also=others)
    labels = (call.model.name, call.task)
    begin, reason = time.perf_counter(), "error"
    try:
        work = engine.run(
            call.prompts,
            task=call.task,
            params=params,
            tokenization=call.tokenization,
            role=call.role,
            request_id=call.response_id,
            priority=call.priority,
            also=call.also,
            on_error=call.on_error,
        )
        outputs = await _run_guarded(work, request.receive, state)
        reason = "stop"
    except QueueFull:
        state.metrics.rejections.labels(*labels).inc()
        raise
    except (ApiError, ClientGone, asyncio.CancelledError):
        reason = "abort"
        raise
    finally:
        state.metrics.finished.labels(*labels, reason).inc()
    _count(state, labels, outputs, time.perf_counter() - begin)
    return outputs


def _count(
    state: ServerState, labels: tuple[str, str], outputs: Sequence[PoolingRequestOutput], seconds: float
) -> None:
    metrics = state.metrics
    metrics.latency.labels(*labels).observe(seconds)
    metrics.items.labels(*labels).inc(len(outputs))
    metrics.prompt_tokens.labels(*labels).inc(sum(len(output.prompt_token_ids) for output in outputs))
    metrics.truncated.labels(*labels).inc(sum(output.truncated_tokens for output in outputs))
    histogram = metrics.item_tokens.labels(*labels)
    for output in outputs:
        histogram.observe(len(output.prompt_token_ids))


async def _run_guarded(work: Coroutine[Any, Any, T], receive: Receive, state: ServerState) -> T:
    """Await `work`, but stop it when the client leaves, the deadline passes or the server must stop."""
    job = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnected(receive))
    abort = asyncio.ensure_future(state.abort.wait())
    try:
        await asyncio.wait({job, gone, abort}, timeout=state.config.request_timeout, return_when="FIRST_COMPLETED")
        if job.done():
            return job.result()
        if gone.done():
            raise ClientGone
        if abort.done():
            raise ApiError(503, "ServiceUnavailableError", "The server is shutting down.", headers={"Retry-After": "1"})
        limit = state.config.request_timeout
        raise ApiError(504, "GatewayTimeoutError", f"The request took longer than {limit:g} s and was cancelled.")
    finally:
        for future in (job, gone, abort):
            future.cancel()
        # Collect what the cancelled ones end with: an error that nobody looks at would be logged at exit.
        await asyncio.gather(job, gone, abort, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
