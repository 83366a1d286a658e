"""Offline runs: any number of prompts through the engine, in order, with bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from queue import SimpleQueue
from typing import TYPE_CHECKING

from cenote.engine.core import Engine
from cenote.engine.progress import TokenProgress
from cenote.engine.request import EngineRequest, RequestOptions
from cenote.errors import EngineClosed, InvalidRequest
from cenote.types import PreparedInput, Prompt

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Answer", "BulkRun", "prompt_size"]

#: Prompts tokenised by one call of a thread.
_CHUNK = 64
#: Prompts that are tokenised or queued at once; bounds memory and is the pool that batches are formed from.
_WINDOW = 2048
#: Texts as which a prompt with media counts: prepared, it takes megabytes, and is worth a thread's time of its own.
_HEAVY = 32
#: Characters as which a medium counts in the progress: those of about a thousand tokens.
_MEDIUM = 4000

#: A tokenised prompt, and its result or what kept the engine from computing one.
Answer = tuple[PreparedInput, "dict[str, Tensor] | Exception"]


def prompt_size(prompt: Prompt) -> int:
    """Return the size of a prompt before tokenisation: characters, or token ids; a medium counts as many."""
    media = _MEDIUM * len(prompt.media)
    if prompt.token_ids is not None:
        return len(prompt.token_ids) + media
    messages = sum(len(str(message.get("content") or "")) for message in prompt.messages or ())
    return len(prompt.text or "") + len(prompt.text_pair or "") + messages + media


def _outcome(request: EngineRequest) -> dict[str, Tensor] | Exception:
    """Return a result, or the engine's failure with this one prompt; what concerns the whole call is raised."""
    try:
        return request.future.result()
    except (InvalidRequest, EngineClosed):
        raise
    except Exception as exc:
        # Whatever a model raises for one prompt must not cost the results of the others.
        return exc


class BulkRun:
    """One call over many prompts: the calling thread runs the batches, others prepare and report to one queue."""

    def __init__(
        self, engine: Engine, prompts: Sequence[Prompt], options: Sequence[RequestOptions], progress: TokenProgress
    ) -> None:
        self._engine = engine
        self._prompts = prompts
        self._options = options
        self._progress = progress
        self._answers: list[Answer | None] = [None] * len(prompts)
        self._events: SimpleQueue[tuple[int, Future[list[PreparedInput]] | EngineRequest]] = SimpleQueue()
        self._outstanding: set[Future[list[PreparedInput]]] = set()
        self._requests: set[EngineRequest] = set()
        self._next = 0
        self._finished = 0
        self._weights = [_HEAVY if prompt.media else 1 for prompt in prompts]
        self._underway = 0

    def run(self) -> list[Answer]:
        """Return the answers in prompt order.

        Raises:
            InvalidRequest: a prompt cannot be answered as asked; everything outstanding is cancelled.
        """
        try:
            self._fill()
            while self._finished < len(self._prompts):
                # This thread computes while something waits, and else waits for what other threads do for it.
                if self._events.empty() and self._engine.step():
                    continue
                self._handle(*self._events.get())
                self._fill()
        except BaseException:
            for future in self._outstanding:
                future.cancel()
            self._engine.cancel(list(self._requests))
            raise
        finally:
            self._progress.close()
        return [answer for answer in self._answers if answer is not None]

    def _fill(self) -> None:
        """Prepare further chunks while less than the window is outstanding. A chunk has equal options."""
        while self._next < len(self._prompts) and self._underway < _WINDOW:
            start, options = self._next, self._options[self._next]
            end, weight = start + 1, self._weights[start]
            while weight < _CHUNK and end < len(self._prompts) and self._options[end] == options:
                weight += self._weights[end]
                end += 1
            self._next = end
            self._underway += weight
            future = self._engine.prepare(
                self._prompts[start:end],
                options,
                first=start if len(self._prompts) > 1 else None,
                at_once=end - start == len(self._prompts),  # nothing could be computed meanwhile
            )
            self._outstanding.add(future)
            future.add_done_callback(lambda done, at=start: self._events.put((at, done)))  # type: ignore[misc]

    def _handle(self, start: int, event: Future[list[PreparedInput]] | EngineRequest) -> None:
        if isinstance(event, EngineRequest):
            self._collect(start, event)
        else:
            self._queue(start, event)

    def _queue(self, start: int, future: Future[list[PreparedInput]]) -> None:
        self._outstanding.discard(future)
        prepared = future.result()
        size = sum(prompt_size(prompt) for prompt in self._prompts[start : start + len(prepared)])
        self._progress.tokenised(size, sum(len(item) for item in prepared))
        requests = self._engine.submit(prepared, self._options[start], bounded=False)
        for index, request in enumerate(requests, start):
            self._requests.add(request)
            request.future.add_done_callback(lambda _, at=index, of=request: self._events.put((at, of)))  # type: ignore[misc]

    def _collect(self, index: int, request: EngineRequest) -> None:
        self._requests.discard(request)
        self._finished += 1
        self._underway -= self._weights[index]
        # What was prepared of media takes megabytes per prompt, and nobody needs it any more.
        self._answers[index] = (replace(request.prompt, media=None), _outcome(request))
        self._progress.done(request.tokens)
