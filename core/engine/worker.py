"""Run one batch: forward, pool, check, answer. One bad request cannot spoil the others of its batch."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from cenote.adapters.backbone import pack
from cenote.adapters.base import PoolingModel
from cenote.engine.request import EngineRequest
from cenote.errors import InvalidRequest, NonFiniteResult, PluginFailure, WrongResult
from cenote.registry.blame import Blame
from cenote.registry.problems import is_ctrl_c
from cenote.threads import carried
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
        attended=[request.prompt.attended for request in requests],
    )
    with torch.inference_mode():
        hidden = model.forward(batch)
        return model.pooler(hidden, PoolingBatch(tuple(request.row() for request in requests)))


def answer(
    model: PoolingModel, requests: Sequence[EngineRequest], device: str, blame: Blame | None = None
) -> tuple[list[Outcome], int]:
    """Compute a batch: return the outcome of each request, and the number of forward passes.

    Where a batch fails, each of its requests is run alone, so that only the guilty one fails. Results that do not fit
    the requests fail all of them: alone, the same code might seem to be right.

    Args:
        model: what runs.
        requests: of the batch.
        device: torch device string.
        blame: whose the model is, where errors shall say so.
    """
    try:
        results = compute(model, requests, device)
        _check_form(requests, results)
        return [_checked(request, result) for request, result in zip(requests, results, strict=True)], 1
    except WrongResult as exc:
        error = exc if blame is None or exc.plugin else blame.wrong(f"is wrong: {str(exc).rstrip('.')}")
        _log.error("a batch of %d failed: %s", len(requests), error)
        return [error for _ in requests], 1
    except BaseException as exc:  # sys.exit() in a plugin, say, must cost its request alone
        if is_ctrl_c(exc):
            raise
        if len(requests) == 1:
            return [_blamed(exc, blame)], 1
        _log.warning("a batch of %d failed (%s); its requests run alone", len(requests), type(exc).__name__)
        alone = [answer(model, [request], device, blame) for request in requests]
        return [outcomes[0] for outcomes, _ in alone], 1 + sum(forwards for _, forwards in alone)


def _blamed(error: BaseException, blame: Blame | None) -> Exception:
    """Return the error of a request whose model raised."""
    if blame is None or isinstance(error, InvalidRequest | NonFiniteResult | PluginFailure):
        return carried(error, "The model")
    failure = blame.failed(error)
    failure.__cause__ = error
    return failure


def _check_form(requests: Sequence[EngineRequest], results: Sequence[dict[str, Tensor]]) -> None:
    """Check that each request has a tensor for its task; numbers are looked at later."""
    if len(results) != len(requests):
        raise WrongResult(f"The pooler returned {len(results)} results for {len(requests)} prompts.")
    for request, result in zip(requests, results, strict=True):
        for task in (request.options.task, *request.options.also):
            value: object = result.get(task)
            if not isinstance(value, Tensor) or not value.is_floating_point():
                found = str(value.dtype) if isinstance(value, Tensor) else type(value).__name__
                raise WrongResult(f"The pooler returned {found} for the task {task!r}, not a tensor of floats.")


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
        request.future.set_exception(carried(outcome, "The model"))
    else:
        request.future.set_result(outcome)
