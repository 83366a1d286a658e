"""The engine: tokenisation threads in front of a queue, and batches that some thread runs one at a time.

The engine has no computing thread of its own. Torch keeps a team of OpenMP threads for every thread that
computes; with more teams than processors they stop spinning between operators, which doubles the time of a
short text (measured: 4.9 against 10.9 ms). So whoever loaded the model also runs it: the caller of `LLM`, or the
`ComputeLoop` of one or several `AsyncLLM`.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import cast

from cenote.adapters.base import PoolingModel
from cenote.config import EngineConfig
from cenote.engine.batches import Batches
from cenote.engine.chunks import run_in_parts
from cenote.engine.line import Load, WaitingLine
from cenote.engine.observer import CallClock
from cenote.engine.rendering import Renderer
from cenote.engine.request import EngineRequest, PromptError, RequestOptions
from cenote.engine.stats import EngineStats
from cenote.engine.way import RightOfWay
from cenote.engine.worker import settle
from cenote.errors import EngineClosed, InvalidRequest
from cenote.hooks.caller import HookCaller
from cenote.registry.blame import Blame
from cenote.types import PreparedInput, Prompt

__all__ = ["Engine"]


class Engine:
    """Answers tokenised prompts, in batches that it forms itself. Thread safe."""

    def __init__(
        self,
        model: PoolingModel,
        config: EngineConfig,
        device: str,
        *,
        name: str = "",
        hooks: HookCaller | None = None,
        blame: Blame | None = None,
    ) -> None:
        """Make an engine; nothing runs yet.

        Args:
            model: what runs.
            config: options.
            device: torch device string.
            name: of the model, for those who hear of batches.
            hooks: who hears of them.
            blame: whom errors of the model name.
        """
        self.model = model
        self.hooks = hooks or HookCaller()
        self._process = os.getpid()
        self._line = WaitingLine(Load(config.max_num_queued_reqs, config.max_num_queued_tokens))
        self._changed = threading.Condition()
        self._renderer = Renderer(model, config)
        self._batches = Batches(
            model,
            config,
            device,
            self._line,
            self._changed,
            hooks=self.hooks,
            name=name,
            blame=blame,
            when_broken=self.abandon,
        )
        self.way = RightOfWay()
        self._wake: Callable[[], None] = _nobody
        self._lora_versions: Counter[str] = Counter()

    @property
    def max_batch_tokens(self) -> int:
        """Return how many tokens one forward may have, unless a single prompt has more."""
        return self._batches.budget

    @property
    def way(self) -> RightOfWay:
        """Return who has light calls, to which others give way; engines that one thread runs share it."""
        return self._batches.way

    @way.setter
    def way(self, way: RightOfWay) -> None:
        self._batches.way = self._renderer.way = way

    def max_tokens(self, task: str) -> int:
        """Return how many tokens a prompt for a task may have, all parts of a chunked one together."""
        return self._renderer.max_tokens(task)

    def prepare(
        self, prompts: Sequence[Prompt], options: RequestOptions, *, first: int | None = None, at_once: bool = False
    ) -> Future[list[PreparedInput]]:
        """Tokenise prompts and load their media in threads; the future raises the first prompt's error.

        Args:
            prompts: what to tokenise.
            options: what is asked of them.
            first: place of the first one in the caller's list, for messages; None where the caller gave no list.
            at_once: tokenise short texts in the calling thread; the future has ended then.
        """
        prepared = self._prepare(prompts, options, first, keeps_errors=False, at_once=at_once)
        return cast("Future[list[PreparedInput]]", prepared)

    def prepare_each(
        self, prompts: Sequence[Prompt], options: RequestOptions, *, first: int | None = None, at_once: bool = False
    ) -> Future[list[PreparedInput | PromptError]]:
        """Prepare prompts in threads, as `prepare` does; a prompt that cannot be is an error in the list."""
        return self._prepare(prompts, options, first, keeps_errors=True, at_once=at_once)

    def _prepare(
        self,
        prompts: Sequence[Prompt],
        options: RequestOptions,
        first: int | None,
        *,
        keeps_errors: bool,
        at_once: bool,
    ) -> Future[list[PreparedInput | PromptError]]:
        with self._open():
            if not at_once:
                return self._renderer.prepare(prompts, options, first, keeps_errors=keeps_errors)
        # Without the lock, which the computing thread wants.
        return self._renderer.prepare(prompts, options, first, keeps_errors=keeps_errors, at_once=True)

    def expecting(self, prompts: Sequence[Prompt], *, bounded: bool = True) -> AbstractContextManager[None]:
        """Let those with media count as waiting while the block loads them; `submit` them right after it.

        Args:
            prompts: of one call.
            bounded: apply the operator's limit.

        Raises:
            QueueFull: others fill the queue.
        """
        count = sum(bool(prompt.media) for prompt in prompts)
        return self._line.expected(count, self._changed, bounded=bounded) if count else nullcontext()

    def load_media(self, prompt: Prompt) -> Prompt:
        """Return a prompt with its media loaded; blocking.

        Raises:
            InvalidRequest: one is not allowed, or cannot be read.
            MediaUnavailable: its host does not give it for now.
        """
        return self._renderer.load_media(prompt)

    def submit(
        self,
        prompts: Sequence[PreparedInput],
        options: RequestOptions | Sequence[RequestOptions],
        *,
        bounded: bool = True,
        clock: CallClock | None = None,
    ) -> list[EngineRequest]:
        """Queue prompts together; each request's future gives its result. Long ones are queued in parts.

        Prompts that together exceed the operator's limits enter the queue bit by bit.

        Args:
            prompts: tokenised prompts.
            options: what is asked of them; one for all, or one for each of them, of one priority.
            bounded: apply the operator's limits; offline callers bound themselves.
            clock: takes note of when they run.

        Raises:
            QueueFull: others fill the queue; nothing was queued.
            InvalidRequest: a prompt alone exceeds the operator's limits.
            EngineClosed: the engine was shut down.
        """
        each = [options] * len(prompts) if isinstance(options, RequestOptions) else options
        requests = [EngineRequest(prompt, asked, clock=clock) for prompt, asked in zip(prompts, each, strict=True)]
        units = [self._parts(request) for request in requests]
        for request in (request for unit in units for request in unit):
            request.cost = self._batches.cost.of(request.tokens)
        with self._open():
            light = bounded and self._is_light(units)
            self._line.add(units, bounded=bounded, light=light)
            if light:
                self._batches.pace.note_short()
            self._batches.note_light()  # also where calls of another priority come before those that are light
        self._wake()
        return requests

    def _is_light(self, units: Sequence[Sequence[EngineRequest]]) -> bool:
        """Tell whether a call is little work. Media cost more than their tokens."""
        if any(request.prompt.media is not None for unit in units for request in unit):
            return False
        return self._batches.is_light(sum(request.cost for unit in units for request in unit))

    def too_large(self, prompt: PreparedInput, options: RequestOptions) -> InvalidRequest | None:
        """Return why a prompt can never enter the queue, where that is so."""
        if not self._line.is_bounded:
            return None
        try:
            self._line.check_unit(self._parts(EngineRequest(prompt, options)))
        except InvalidRequest as exc:
            return exc
        return None

    def _parts(self, request: EngineRequest) -> list[EngineRequest]:
        most = self.model.limits.max_tokens
        if request.tokens <= most or not (request.prompt.spans or self.max_tokens(request.options.task) > most):
            return [request]
        return run_in_parts(request, most, self)

    def run_again(self, request: EngineRequest) -> None:
        """Queue a request that was run already, once more, whatever waits."""
        try:
            with self._open():
                self._line.add([self._parts(request)], bounded=False)
                self._batches.note_light()
        except EngineClosed as exc:
            if request.future.set_running_or_notify_cancel():
                settle(request, exc)
        self._wake()

    def cancel(self, requests: Sequence[EngineRequest]) -> None:
        """Take out of the queue what has not started yet; what runs goes on, but is not finished."""
        cancelled = [request for request in requests if request.future.cancel()]
        for request in requests:
            request.is_dropped = True
        if cancelled:
            with self._changed:
                self._line.discard(cancelled)
                self._batches.note_light()

    @contextmanager
    def _open(self) -> Iterator[None]:
        """Hold the lock of an engine that takes requests. A forked process has neither its threads nor, safely, it."""
        if self._is_forked:
            text = "The model was loaded before this process was forked off. Load it in the process that uses it."
            raise EngineClosed(text)
        with self._changed:
            if self._batches.is_closed:
                raise EngineClosed("The engine was shut down.")
            yield

    @property
    def _is_forked(self) -> bool:
        return os.getpid() != self._process

    def when_changed(self, wake: Callable[[], None]) -> None:
        """Have a function called whenever there may be something to run, or the engine ended."""
        self._wake = wake
        self._batches.serve()

    @property
    def is_ready(self) -> bool:
        """Tell whether a batch can be formed now."""
        return self._batches.is_ready

    @property
    def is_hurried(self) -> bool:
        """Tell whether calls that are little work wait, or came recently: then steps should be short."""
        with self._changed:
            return self._batches.is_hurried

    def step(self, *, wait: bool = True, hurried: bool = False) -> bool:
        """Run one batch in the calling thread; return False where nothing waits. One batch runs at a time.

        Args:
            wait: while the engine is paused, wait until it is not; else return.
            hurried: another engine that this thread runs is hurried.
        """
        return self._batches.step(wait=wait, hurried=hurried)

    @contextmanager
    def exclusive(self, lora: str) -> Iterator[None]:
        """Run nothing while the block changes a low-rank adapter; the batch under way ends first."""
        with self._batches.computing:
            yield
            self._lora_versions[lora] += 1

    def lora_version(self, name: str | None) -> int:
        """Return how often a low-rank adapter was changed."""
        return 0 if name is None else self._lora_versions[name]

    def stats(self) -> EngineStats:
        """Return a snapshot of the counters."""
        with self._changed:
            return self._batches.stats()

    @property
    def is_healthy(self) -> bool:
        """Tell whether requests are answered."""
        return not self._batches.is_closed and not self._is_forked

    def pause(self) -> None:
        """Form no new batches; requests wait. The batch under way goes on."""
        with self._changed:
            self._batches.pause()

    def resume(self) -> None:
        """Form batches again."""
        with self._changed:
            self._batches.resume()
        self._wake()

    def shutdown(self, drain_seconds: float = 0.0) -> None:
        """Stop: wait at most so long for what is queued, then fail the rest with `EngineClosed`. Idempotent."""
        if self._is_forked:
            return
        with self._changed:
            self._batches.wait_until_idle(drain_seconds)
        self.abandon()
        if self._batches.computing.acquire(timeout=30):  # the batch under way ends first
            self._batches.computing.release()

    def abandon(self) -> None:
        """Stop without waiting for anything; what is queued fails with `EngineClosed`. Idempotent."""
        if self._is_forked:  # nobody waits here, and a lock may be held for ever
            return
        with self._changed:
            abandoned = self._batches.close()
        for request in abandoned:
            if request.future.set_running_or_notify_cancel():
                request.future.set_exception(EngineClosed("The engine was shut down before this request ran."))
        self._renderer.shutdown()
        self._batches.finisher.shutdown()
        self._wake()


def _nobody() -> None:
    """Wake nobody: the caller of `step` needs no waking."""
