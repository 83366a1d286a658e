"""Run one batch: forward, pool, check, answer. One bad request cannot spoil the others of its batch."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from math import isfinite
from typing import TypeAlias

import torch
from torch import Tensor

from cenote.adapters.base import PoolingModel
from cenote.adapters.packing import pack
from cenote.engine.request import EngineRequest
from cenote.errors import InvalidRequest, NonFiniteResult, PluginFailure, WrongResult
from cenote.registry.blame import Blame
from cenote.registry.problems import is_ctrl_c
from cenote.threads import carried
from cenote.types import PoolingBatch

__all__ = ["Outcome", "answer", "settle"]

_log = logging.getLogger(__name__)

#: Numbers of a result up to which it is cheaper to copy them than to look at them alone.
_SHORT = 4096

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
        return _checked(requests, results), 1
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


def _checked(requests: Sequence[EngineRequest], results: Sequence[dict[str, Tensor]]) -> list[Outcome]:
    """Return the results, with an error in place of those that are not finite. Looks at each only where one is not."""
    if _are_finite([value for result in results for value in result.values()]):
        return list(results)
    return [
        result if _are_finite(list(result.values())) else _withheld(request)
        for request, result in zip(requests, results, strict=True)
    ]


def _are_finite(values: Sequence[Tensor]) -> bool:
    """Tell whether all numbers are finite: those of many short results in one call."""
    groups: dict[torch.dtype, list[Tensor]] = {}
    for value in values:
        numbers = value.values() if value.is_sparse else value
        if numbers.numel() > _SHORT:
            if not _is_finite(numbers):
                return False
        elif numbers.is_floating_point():
            groups.setdefault(numbers.dtype, []).append(numbers.reshape(-1))
    return all(_is_finite(group[0] if len(group) == 1 else torch.cat(group)) for group in groups.values())


def _is_finite(numbers: Tensor) -> bool:
    """Tell whether all numbers are finite. Their sum is a fraction of the work, and is finite only where they are."""
    return isfinite(numbers.sum().item()) or bool(torch.isfinite(numbers).all())


def _withheld(request: EngineRequest) -> NonFiniteResult:
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
