"""The engine: tokenisation threads in front of a queue, and batches that some thread runs one at a time.

The engine has no computing thread of its own. Torch keeps a team of OpenMP threads for every thread that
computes; with more teams than processors they stop spinning between operators, which doubles the time of a
short text (measured: 4.9 against 10.9 ms). So whoever loaded the model also runs it: the caller of `LLM`, or the
`ComputeLoop` of one or several `AsyncLLM`.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from math import ceil
from typing import cast

from cenote.adapters.base import PoolingModel
from cenote.adapters.cost import PromptCost
from cenote.adapters.pauses import Pauses, is_reentrant
from cenote.config import EngineConfig
from cenote.engine.chunks import run_in_parts
from cenote.engine.courier import held_back
from cenote.engine.finishing import Finisher
from cenote.engine.line import Load, WaitingLine
from cenote.engine.observer import CallClock
from cenote.engine.pace import Pace
from cenote.engine.queue import StepBounds
from cenote.engine.rendering import Renderer
from cenote.engine.request import EngineRequest, PromptError, RequestOptions
from cenote.engine.stats import EngineStats
from cenote.engine.tally import Tally
from cenote.engine.way import RightOfWay
from cenote.engine.worker import Outcome, answer, settle
from cenote.errors import EngineClosed, InvalidRequest
from cenote.hooks import BatchDone
from cenote.hooks.caller import HookCaller
from cenote.registry.blame import Blame
from cenote.types import PreparedInput, Prompt

__all__ = ["Engine"]

_log = logging.getLogger(__name__)

#: Tokens of one forward where the user sets none: on a CPU the activations of more than about 2000 tokens of a
#: small model leave the cache (measured on MiniLM: 4096 is 8 % slower, 16384 is 33 % slower).
_DEFAULT_BUDGET = {"cpu": 2048, "cuda": 16384}
#: Tokens of a query, which is little work however slow the model is.
_QUERY_TOKENS = 64
#: Pieces of a batch that takes long while no light call came recently: the next one waits for one of them.
_FEW_PIECES = 4
#: Tokens of prompts up to which the budget of tokens is what bounds a batch. Batches of longer ones have fewer tokens,
#: since each costs more.
_USUAL_LENGTH = 512


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
        self._name = name
        self._blame = blame
        self._device = device
        self._budget = config.max_num_batched_tokens or _DEFAULT_BUDGET.get(device.split(":")[0], 2048)
        self._config = config
        self._cost: PromptCost = getattr(model, "cost", PromptCost())
        self._full_cost = self._budget * self._cost.of(_USUAL_LENGTH) / _USUAL_LENGTH
        self._pace = Pace()
        self._line = WaitingLine(Load(config.max_num_queued_reqs, config.max_num_queued_tokens))
        self._changed = threading.Condition()
        self._paused = False
        self._closed = False
        self._process = os.getpid()
        self._running = 0
        #: Batches under way that have light calls: one, and one more in a pause of it.
        self._light_batches = 0
        self._tally = Tally()
        self._renderer = Renderer(model, config)
        self._finisher = Finisher(self._changed)
        self._computing = threading.RLock()
        self._wake: Callable[[], None] = _nobody
        self._is_served = False
        self._lora_versions: Counter[str] = Counter()

    @property
    def max_batch_tokens(self) -> int:
        """Return how many tokens one forward may have, unless a single prompt has more."""
        return self._budget

    @property
    def way(self) -> RightOfWay:
        """Return who has light calls, to which tokenising threads give way; engines that one thread runs share it."""
        return self._renderer.way

    @way.setter
    def way(self, way: RightOfWay) -> None:
        self._renderer.way = way

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
            request.cost = self._cost.of(request.tokens)
        with self._open():
            light = bounded and self._is_light(units)
            self._line.add(units, bounded=bounded, light=light)
            if light:
                self._pace.note_short()
                self._note_light()
        self._wake()
        return requests

    def _is_light(self, units: Sequence[Sequence[EngineRequest]]) -> bool:
        """Tell whether a call is little work. Media cost more than their tokens."""
        if any(request.prompt.media is not None for unit in units for request in unit):
            return False
        most = max(self._pace.short_step, self._cost.of(_QUERY_TOKENS))
        return sum(request.cost for unit in units for request in unit) <= most

    def _note_light(self) -> None:
        """Tell tokenising threads whether light calls wait or run; the lock is held."""
        holds = (self._light_batches > 0 or self._line.has_light) and not self._paused and not self._closed
        self.way.note(self, holds=holds)

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
                self._note_light()

    @contextmanager
    def _open(self) -> Iterator[None]:
        """Hold the lock of an engine that takes requests. A forked process has neither its threads nor, safely, it."""
        if self._is_forked:
            text = "The model was loaded before this process was forked off. Load it in the process that uses it."
            raise EngineClosed(text)
        with self._changed:
            if self._closed:
                raise EngineClosed("The engine was shut down.")
            yield

    @property
    def _is_forked(self) -> bool:
        return os.getpid() != self._process

    def when_changed(self, wake: Callable[[], None]) -> None:
        """Have a function called whenever there may be something to run, or the engine ended."""
        self._wake = wake
        self._is_served = True

    @property
    def is_ready(self) -> bool:
        """Tell whether a batch can be formed now."""
        return self._line.is_ready and not self._paused and not self._closed

    @property
    def is_hurried(self) -> bool:
        """Tell whether calls that are little work wait, or came recently: then steps should be short."""
        with self._changed:
            return self._line.has_light or self._pace.is_hurried

    def step(self, *, wait: bool = True, hurried: bool = False) -> bool:
        """Run one batch in the calling thread; return False where nothing waits. One batch runs at a time.

        Args:
            wait: while the engine is paused, wait until it is not; else return.
            hurried: another engine that this thread runs is hurried.
        """
        with self._computing:
            with self._changed:
                if wait:
                    self._changed.wait_for(lambda: self._closed or not self._paused)
                elif self._paused:
                    return False
                taken = self._line.take(self._bounds(hurried=hurried))
                batch = self._begun(taken)
            if batch:
                self._run(batch, pauses=True)
            return bool(taken)

    def _begun(self, taken: Sequence[EngineRequest]) -> list[EngineRequest]:
        """Return what is run of requests that were taken from the queue; the lock is held."""
        batch = [request for request in taken if request.future.set_running_or_notify_cancel()]
        self._running += len(batch)
        self._light_batches += any(request.is_light for request in batch)
        self._note_light()
        return batch

    def _run_light(self) -> None:
        """Run a short step of light calls where some wait, in a pause of another batch."""
        with self._changed:
            if self._paused or self._closed:
                return
            bounds = self._bounds(hurried=True)
            batch = self._begun(self._line.take_light(replace(bounds, cost=bounds.short_cost)))
        try:
            if batch:
                self._run(batch, pauses=False)
        except Exception as exc:
            # Not what the model raised, which its requests got: the engine is broken, and not the batch that pauses.
            _log.critical("the engine broke and answers no more", exc_info=exc)
            self.abandon()

    def _pauses(self, batch: Sequence[EngineRequest]) -> Pauses:
        """Return the pauses of a batch, where light calls may come meanwhile.

        It is run in as many pieces as it has short steps where they came recently, else in a few: each costs a little.
        """
        is_light = any(request.is_light for request in batch)
        # On a GPU a layer has only been launched when the next one begins, and its time would count as the pause's.
        if is_light or self._device != "cpu" or not (self._is_served and is_reentrant(self.model)):
            return _no_pauses()
        with self._changed:
            short, is_hurried = self._pace.short_step, self._pace.is_hurried
        number = ceil(sum(request.cost for request in batch) / short)
        return Pauses(number if is_hurried else min(number, _FEW_PIECES), self._run_light)

    def _bounds(self, *, hurried: bool) -> StepBounds:
        """Return what the next batch may have; the lock is held."""
        return StepBounds(
            tokens=self._budget,
            requests=self._config.max_num_seqs,
            cost=self._full_cost,
            short_cost=min(self._pace.short_step, self._full_cost),
            hurried=hurried or self._pace.is_hurried,
        )

    def _run(self, batch: list[EngineRequest], *, pauses: bool) -> None:
        outcomes: list[Outcome] = [EngineClosed("The batch of this request was interrupted.") for _ in batch]
        try:
            clocks = {id(request.clock): request.clock for request in batch if request.clock is not None}.values()
            begin = time.perf_counter()
            for clock in clocks:
                clock.note_start(begin)
            between = self._pauses(batch) if pauses else _no_pauses()
            with between.allowed():
                outcomes, forwards = answer(self.model, batch, self._device, self._blame)
            end = time.perf_counter()
            own = end - begin - between.seconds
            for clock in clocks:
                clock.note_end(end)
            tokens = sum(request.tokens for request in batch)
            done = BatchDone(model=self._name, requests=len(batch), tokens=tokens, budget=self._budget, seconds=own)
            self._tally.add(done, forwards)
            with self._changed:
                self._pace.note_step(sum(request.cost for request in batch), own)
            self.hooks.tell("cenote_batch_done", done)
        finally:
            # Also after Ctrl-C in the computing thread, where nobody may wait for this batch for ever. Settled last:
            # whoever sees a result also sees it in the counters.
            with self._changed:
                self._running -= len(batch)
                self._light_batches -= any(request.is_light for request in batch)
                self._note_light()
                self._finisher.expect(batch, outcomes)
                self._changed.notify_all()
            with held_back():
                for request, outcome in zip(batch, outcomes, strict=True):
                    self._finisher.settle(request, outcome)

    @contextmanager
    def exclusive(self, lora: str) -> Iterator[None]:
        """Run nothing while the block changes a low-rank adapter; the batch under way ends first."""
        with self._computing:
            yield
            self._lora_versions[lora] += 1

    def lora_version(self, name: str | None) -> int:
        """Return how often a low-rank adapter was changed."""
        return 0 if name is None else self._lora_versions[name]

    def stats(self) -> EngineStats:
        """Return a snapshot of the counters."""
        with self._changed:
            waiting = len(self._line) + self._line.loading
            return self._tally.stats(running=self._running, waiting=waiting, waiting_tokens=self._line.tokens)

    @property
    def is_healthy(self) -> bool:
        """Tell whether requests are answered."""
        return not self._closed and not self._is_forked

    def pause(self) -> None:
        """Form no new batches; requests wait. The batch under way goes on."""
        with self._changed:
            self._paused = True
            self._note_light()

    def resume(self) -> None:
        """Form batches again."""
        with self._changed:
            self._paused = False
            self._note_light()
            self._changed.notify_all()
        self._wake()

    def shutdown(self, drain_seconds: float = 0.0) -> None:
        """Stop: wait at most so long for what is queued, then fail the rest with `EngineClosed`. Idempotent."""
        if self._is_forked:
            return
        with self._changed:
            if not self._paused and not self._closed:
                self._changed.wait_for(
                    lambda: self._closed or not (len(self._line) or self._running or len(self._finisher)),
                    timeout=drain_seconds,
                )
        self.abandon()
        if self._computing.acquire(timeout=30):  # the batch under way ends first
            self._computing.release()

    def abandon(self) -> None:
        """Stop without waiting for anything; what is queued fails with `EngineClosed`. Idempotent."""
        if self._is_forked:  # nobody waits here, and a lock may be held for ever
            return
        with self._changed:
            self._closed = True
            abandoned = self._line.drain()
            self._note_light()
            self._changed.notify_all()
        for request in abandoned:
            if request.future.set_running_or_notify_cancel():
                request.future.set_exception(EngineClosed("The engine was shut down before this request ran."))
        self._renderer.shutdown()
        self._finisher.shutdown()
        self._wake()


def _no_pauses() -> Pauses:
    return Pauses(1, _nobody)


def _nobody() -> None:
    """Wake nobody: the caller of `step` needs no waking."""
