"""Prompts longer than the model's limit: their parts run as requests of their own, and the results become one.

Two kinds exist. With chunked processing, the tokens are cut at the limit and the vectors of the chunks averaged
(python-api.md section 17). With late chunking, windows over the document give the vectors of their chunks.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Protocol

import torch
from torch import Tensor

from cenote.config import PoolerConfig
from cenote.engine.request import EngineRequest
from cenote.engine.worker import Outcome, settle
from cenote.inputs.chunks import cut_tokens, cut_windows
from cenote.types import ModelLimits

__all__ = ["PartsHost", "longest_prompt", "mean_of_chunks", "run_in_parts"]


class PartsHost(Protocol):
    """Who runs the parts."""

    def cancel(self, requests: Sequence[EngineRequest]) -> None:
        """Take requests out of the queue."""

    def run_again(self, request: EngineRequest) -> None:
        """Queue a request that was run already, once more."""

    def lora_version(self, name: str | None) -> int:
        """Return how often an adapter was changed."""


#: How far from 1 the norm of a chunk's vector may be for the mean to be normalised again.
_UNIT = 1e-2


def longest_prompt(task: str, limits: ModelLimits, config: PoolerConfig) -> int:
    """Return how many tokens a prompt for a task may have; chunked processing is for `embed` only.

    `max_embed_len` without chunked processing can only lower the model's limit.
    """
    if task != "embed":
        return limits.max_tokens
    if config.enable_chunked_processing:
        return config.max_embed_len or sys.maxsize
    return min(limits.max_tokens, config.max_embed_len or limits.max_tokens)


def mean_of_chunks(vectors: Sequence[Tensor], lengths: Sequence[int], use_activation: bool | None) -> Tensor:
    """Return the mean of the chunks' vectors [dim], weighted by their numbers of tokens, in float32.

    It is normalised again only where every vector had length 1 and activation was not turned off. Where a request
    leaves activation to the model, vectors of length 1 show that the model normalises.

    Source: python-api.md section 17.
    """
    rows = torch.stack([vector.float() for vector in vectors])
    weights = torch.tensor(lengths, dtype=torch.float32)
    mean = weights @ rows / weights.sum()
    unit = bool(((rows.norm(dim=1) - 1).abs() < _UNIT).all())
    return torch.nn.functional.normalize(mean, dim=0) if unit and use_activation is not False else mean


def run_in_parts(request: EngineRequest, size: int, host: PartsHost) -> list[EngineRequest]:
    """Return the requests to queue in place of one whose prompt is longer than the model's limit.

    The request's own future is settled by the part that ends last, or by the first that fails. A part that then
    still waits is cancelled, as are all where the request is. Where the adapter was changed between two parts, all
    run again, since their mean would be nobody's vector.

    Args:
        request: has a prompt with spans (late chunking), or is for `embed` (chunked processing).
        size: the model's limit.
        host: runs the parts.
    """
    prompt, options = request.prompt, request.options
    cut = cut_windows(prompt, size, options.overlap_tokens) if prompt.spans else cut_tokens(prompt, size)
    parts = [EngineRequest(part, options, clock=request.clock) for part in cut]
    _Joint(request, parts, host)
    return parts


class _Joint:
    """Waits for the parts of a request. Kept alive by the callbacks of their futures.

    A future keeps its callbacks when it has ended. So this lets go of the requests then, which would else wait for the
    garbage collector.
    """

    def __init__(self, whole: EngineRequest, parts: Sequence[EngineRequest], host: PartsHost) -> None:
        self._whole: EngineRequest | None = whole
        self._parts: Sequence[EngineRequest] = parts
        self._lora = whole.lora
        self._host = host
        self._versions: set[int] = set()
        self._left = len(parts)
        self._lock = threading.Lock()
        whole.future.add_done_callback(self._stop)
        for part in parts:
            part.future.add_done_callback(self._collect)

    def _stop(self, whole: Future[dict[str, Tensor]]) -> None:
        if whole.cancelled() or whole.exception() is not None:
            self._host.cancel(self._parts)

    def _collect(self, part: Future[dict[str, Tensor]]) -> None:
        error = None if part.cancelled() else part.exception()
        with self._lock:
            self._left -= 1
            # Parts end in the computing thread, where no adapter can be changed meanwhile.
            self._versions.add(self._host.lora_version(self._lora))
            if self._whole is None or (self._left > 0 and error is None):
                return
            whole, parts, self._whole = self._whole, self._parts, None
        if error is None and not part.cancelled() and len(self._versions) > 1:
            self._host.run_again(whole)
        elif whole.future.set_running_or_notify_cancel():
            settle(whole, error if isinstance(error, Exception) else _combined(whole, parts))
        self._parts = ()


def _combined(whole: EngineRequest, parts: Sequence[EngineRequest]) -> Outcome:
    """Return the result of the whole. Nothing may be raised here: a future swallows errors of its callbacks."""
    try:
        results = [part.future.result() for part in parts]
        return {task: _combine(whole, parts, [result[task] for result in results]) for task in results[0]}
    except Exception as exc:
        return exc


def _combine(whole: EngineRequest, parts: Sequence[EngineRequest], results: Sequence[Tensor]) -> Tensor:
    if whole.prompt.spans:
        return torch.cat(list(results))
    lengths = [part.tokens for part in parts]
    return mean_of_chunks(results, lengths, whole.options.params.use_activation)
