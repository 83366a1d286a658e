"""Run one batch: forward, pool, check, answer. One bad request cannot spoil the others of its batch."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import CancelledError
from typing import TypeAlias

import torch
from torch import Tensor

from cenote.adapters.backbone import pack
from cenote.adapters.base import PoolingModel
from cenote.engine.request import EngineRequest
from cenote.errors import NonFiniteResult
from cenote.types import PoolingBatch

__all__ = ["Outcome", "answer", "settle"]

_log = logging.getLogger(__name__)

#: What became of a request: its results by task, or why there are none.
Outcome: TypeAlias = dict[str, Tensor] | Exception


def compute(model: PoolingModel, requests: Sequence[EngineRequest], device: str) -> list[dict[str, Tensor]]:
    """Return the results of a batch, one mapping per request."""
    batch = pack(
        [request.prompt.token_ids for request in requests],
        device=device,
        token_type_ids=[request.prompt.token_type_ids for request in requests],
        loras=[request.lora for request in requests],
        roles=[request.options.role for request in requests],
        media=[request.prompt.media for request in requests],
    )
    with torch.inference_mode():
        hidden = model.forward(batch)
        return model.pooler(hidden, PoolingBatch(tuple(request.row() for request in requests)))


def answer(model: PoolingModel, requests: Sequence[EngineRequest], device: str) -> tuple[list[Outcome], int]:
    """Compute a batch: return the outcome of each request, and the number of forward passes.

    Where a batch fails, each of its requests is run alone, so that only the guilty one fails.
    """
    try:
        results = compute(model, requests, device)
        return [_checked(request, result) for request, result in zip(requests, results, strict=True)], 1
    except Exception as exc:
        if len(requests) == 1:
            return [exc], 1
        _log.warning("a batch of %d failed (%s); its requests run alone", len(requests), type(exc).__name__)
        alone = [answer(model, [request], device) for request in requests]
        return [outcomes[0] for outcomes, _ in alone], 1 + sum(forwards for _, forwards in alone)


def _checked(request: EngineRequest, result: dict[str, Tensor]) -> Outcome:
    """Return a result, or an error in place of one that is not finite."""
    numbers = (value.values() if value.is_sparse else value for value in result.values())
    if all(bool(torch.isfinite(value).all()) for value in numbers):
        return result
    return NonFiniteResult(
        f"The model computed NaN or infinity for a prompt of {request.tokens} tokens; the result is withheld. "
        "Try --dtype float32."
    )


def settle(request: EngineRequest, outcome: Outcome) -> None:
    """Give a request its result or error."""
    if isinstance(outcome, Exception):
        request.future.set_exception(_carried(outcome))
    else:
        request.future.set_result(outcome)


def _carried(error: Exception) -> Exception:
    """Return what a future can carry in place of an error that means something else to whoever awaits it.

    No coroutine can be sent a `StopIteration`: who awaits would never wake. A cancellation would be taken for one by
    the caller.
    """
    if not isinstance(error, StopIteration | StopAsyncIteration | CancelledError):
        return error
    carried = RuntimeError(f"The model raised {type(error).__name__}.")
    carried.__cause__ = error
    return carried
