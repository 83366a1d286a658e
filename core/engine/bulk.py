"""Offline runs: any number of prompts through the engine, in order.

Beside what the caller makes of the results, memory does not grow with the number of prompts: a request, its future and
what was prepared for it live for a window of prompts and go by reference counting, as nothing here refers to itself in
a circle. The garbage collector would come for circles only after the heap has grown by a quarter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Generic, TypeVar, cast

from cenote.engine.core import Engine
from cenote.engine.progress import TokenProgress
from cenote.engine.request import EngineRequest, RequestOptions
from cenote.engine.worker import Outcome
from cenote.errors import EngineClosed, InvalidRequest
from cenote.types import PreparedInput, Prompt

__all__ = ["BulkRun", "prompt_size"]

T = TypeVar("T")

#: Prompts tokenised by one call of a thread.
_CHUNK = 64
#: Prompts that are tokenised or queued at once, and tokens of a batch for which there is one of them. They bound
#: memory, and batches are formed from them.
_WINDOW = 1024
_TOKENS_PER_PROMPT = 8
#: Texts as which a prompt with media counts: prepared, it takes megabytes, and is worth a thread's time of its own.
_HEAVY = 32
#: Characters as which a medium counts in the progress: those of about a thousand tokens.
_MEDIUM = 4000
_PREPARED = Prompt()


def prompt_size(prompt: Prompt) -> int:
    """Return the size of a prompt before tokenisation: characters, or token ids; a medium counts as many."""
    media = _MEDIUM * len(prompt.media)
    if prompt.token_ids is not None:
        return len(prompt.token_ids) + media
    messages = sum(len(str(message.get("content") or "")) for message in prompt.messages or ())
    return len(prompt.text or "") + len(prompt.text_pair or "") + messages + media


def _outcome(request: EngineRequest) -> Outcome:
    """Return a result, or the engine's failure with this one prompt; what concerns the whole call is raised."""
    error = request.future.exception()
    try:
        if error is None:
            return request.future.result()
        if isinstance(error, Exception) and not isinstance(error, InvalidRequest | EngineClosed):
            # Whatever a model raises for one prompt must not cost the results of the others.
            return error
        raise error
    finally:
        del error  # its traceback has this frame


class BulkRun(Generic[T]):
    """One call over many prompts: the calling thread runs the batches, others prepare and report to one queue."""

    def __init__(
        self,
        engine: Engine,
        prompts: list[Prompt],
        options: Sequence[RequestOptions],
        progress: TokenProgress,
        make: Callable[[int, PreparedInput, Outcome], T],
    ) -> None:
        """Lay out a call; nothing runs yet.

        Args:
            engine: runs the prompts.
            prompts: of the call. Those that are prepared are replaced by an empty one, so that they go.
            options: what is asked of each.
            progress: told of tokens.
            make: called in the calling thread as soon as a prompt is answered, in any order: with the prompt's place,
                what was prepared of it, and its result or why there is none. Only what it returns is kept.
        """
        self._engine = engine
        self._prompts = prompts
        self._options = options
        self._progress = progress
        self._make = make
        self._answers: list[T | None] = [None] * len(prompts)
        #: The first place of a chunk and its future, or the place of an answered prompt.
        self._events: SimpleQueue[tuple[int, Future[list[PreparedInput]] | None]] = SimpleQueue()
        self._outstanding: set[Future[list[PreparedInput]]] = set()
        #: By place. Events name requests by it, since a future keeps its callbacks, and these must not keep the future.
        self._requests: dict[int, EngineRequest] = {}
        self._next = 0
        self._finished = 0
        self._weights = [_HEAVY if prompt.media else 1 for prompt in prompts]
        self._underway = 0
        self._window = max(_WINDOW, engine.max_batch_tokens // _TOKENS_PER_PROMPT)

    def run(self) -> list[T]:
        """Return what was made of the answers, in prompt order.

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
            self._engine.cancel(list(self._requests.values()))
            # Futures keep their callbacks, these this call, and it what it has made.
            self._requests.clear()
            self._outstanding.clear()
            raise
        finally:
            self._progress.close()
        return cast("list[T]", self._answers)

    def _fill(self) -> None:
        """Prepare further chunks while less than the window is outstanding. A chunk has equal options."""
        while self._next < len(self._prompts) and self._underway < self._window:
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

    def _handle(self, place: int, prepared: Future[list[PreparedInput]] | None) -> None:
        if prepared is None:
            self._collect(place)
        else:
            self._queue(place, prepared)

    def _queue(self, start: int, future: Future[list[PreparedInput]]) -> None:
        self._outstanding.discard(future)
        prepared = future.result()
        end = start + len(prepared)
        size = sum(map(prompt_size, self._prompts[start:end]))
        self._prompts[start:end] = [_PREPARED] * len(prepared)
        self._progress.tokenised(size, sum(len(item) for item in prepared))
        requests = self._engine.submit(prepared, self._options[start], bounded=False)
        for place, request in enumerate(requests, start):
            self._requests[place] = request
            request.future.add_done_callback(lambda _, at=place: self._events.put((at, None)))  # type: ignore[misc]

    def _collect(self, place: int) -> None:
        request = self._requests.pop(place)
        self._finished += 1
        self._underway -= self._weights[place]
        self._answers[place] = self._make(place, request.prompt, _outcome(request))
        self._progress.done(request.tokens)
