"""Run one batch: forward, pool, check, answer. One bad request cannot spoil the others of its batch."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from torch import Tensor

from cenote.adapters.backbone import pack
from cenote.adapters.base import PoolingModel
from cenote.engine.request import EngineRequest
from cenote.errors import NonFiniteResult
from cenote.types import PoolingBatch

__all__ = ["answer", "compute"]

_log = logging.getLogger(__name__)


def compute(model: PoolingModel, requests: Sequence[EngineRequest], device: str) -> list[dict[str, Tensor]]:
    """Return the results of a batch, one mapping per request."""
    batch = pack(
        [request.prompt.token_ids for request in requests],
        device=device,
        token_type_ids=[request.prompt.token_type_ids for request in requests],
    )
    with torch.inference_mode():
        hidden = model.forward(batch)
        return model.pooler(hidden, PoolingBatch(tuple(request.row() for request in requests)))


def answer(model: PoolingModel, requests: Sequence[EngineRequest], device: str) -> int:
    """Compute a batch and settle every future; return the number of forward passes.

    Where a batch fails, each of its requests is run alone, so that only the guilty one fails.
    """
    try:
        results = compute(model, requests, device)
    except Exception as exc:
        if len(requests) == 1:
            requests[0].future.set_exception(exc)
            return 1
        _log.warning("a batch of %d failed (%s); its requests run alone", len(requests), type(exc).__name__)
        return 1 + sum(answer(model, [request], device) for request in requests)
    for request, result in zip(requests, results, strict=True):
        _settle(request, result)
    return 1


def _settle(request: EngineRequest, result: dict[str, Tensor]) -> None:
    if all(bool(torch.isfinite(value).all()) for value in result.values()):
        request.future.set_result(result)
        return
    request.future.set_exception(
        NonFiniteResult(
            f"The model computed NaN or infinity for a prompt of {request.tokens} tokens; the result is withheld. "
            "Try --dtype float32."
        )
    )
