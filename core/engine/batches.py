"""Batches of an engine: what is taken from its line, and run one at a time by whatever thread asks for a step.

While a batch runs whose model allows pauses between layers, light calls are answered in them, nested: those of this
engine and of all others that its thread runs. So such a batch may be so long that one of its layers lasts a short step;
batches of other models are short steps themselves while light calls come.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from weakref import WeakMethod

from cenote.adapters.base import PoolingModel
from cenote.adapters.cost import PromptCost
from cenote.adapters.pauses import Pauses, is_reentrant
from cenote.config import EngineConfig
from cenote.engine.courier import held_back
from cenote.engine.finishing import Finisher
from cenote.engine.line import WaitingLine
from cenote.engine.pace import Pace
from cenote.engine.queue import StepBounds
from cenote.engine.request import EngineRequest
from cenote.engine.stats import EngineStats
from cenote.engine.tally import Tally
from cenote.engine.way import RightOfWay
from cenote.engine.worker import Outcome, answer
from cenote.errors import EngineClosed
from cenote.hooks import BatchDone
from cenote.hooks.caller import HookCaller
from cenote.registry.blame import Blame

__all__ = ["Batches"]

_log = logging.getLogger(__name__)

#: Tokens of one forward where the user sets none: on a CPU the activations of more than about 2000 tokens of a
#: small model leave the cache (measured on MiniLM: 4096 is 8 % slower, 16384 is 33 % slower).
_DEFAULT_BUDGET = {"cpu": 2048, "cuda": 16384}
#: Tokens of a query, which is little work however slow the model is.
_QUERY_TOKENS = 64
#: What a part of a batch that can pause behind each takes at most, as a share of a short step: 15 ms. Light calls wait
#: for half a part on average, which is most of what they wait; shorter parts cost a bulk job little.
_PART = 0.6
#: Tokens of prompts up to which the budget of tokens is what bounds a batch. Batches of longer ones have fewer tokens,
#: since each costs more.
_USUAL_LENGTH = 512


class Batches:
    """Takes batches and runs them. Thread safe; what says that the lock is held does not take it.

    Attributes:
        budget: tokens of one forward, unless a single prompt has more.
        cost: of prompts.
        pace: how fast the model computes.
        finisher: settles requests.
        way: who has light calls, of all engines that one thread runs.
        is_closed: no batches are begun any more.
        computing: held while a batch runs.
    """

    def __init__(
        self,
        model: PoolingModel,
        config: EngineConfig,
        device: str,
        line: WaitingLine,
        changed: threading.Condition,
        *,
        hooks: HookCaller,
        name: str,
        blame: Blame | None,
        when_broken: Callable[[], None],
    ) -> None:
        """Take what runs where; nothing runs yet.

        Args:
            model: what runs.
            config: options.
            device: torch device string.
            line: what waits.
            changed: the lock of the line and of what this object counts; it hears when a batch ends.
            hooks: who hears of batches.
            name: of the model, for them.
            blame: whom errors of the model name.
            when_broken: method of the engine that ends it, where something failed that is not the model.
        """
        self.budget = config.max_num_batched_tokens or _DEFAULT_BUDGET.get(device.split(":")[0], 2048)
        self.cost: PromptCost = getattr(model, "cost", PromptCost())
        self.pace = Pace()
        self.way = RightOfWay()
        self.finisher = Finisher(changed)
        self.computing = threading.RLock()
        self._tally = Tally()
        #: Requests of batches under way.
        self._running = 0
        self._is_served = self._is_paused = self.is_closed = False
        self._model, self._config, self._device = model, config, device
        self._line, self._changed = line, changed
        self._hooks, self._name, self._blame = hooks, name, blame
        self._when_broken = WeakMethod(when_broken)  # no circle: who lets go of an engine lets go of its model at once
        self._full_cost = self.budget * self.cost.of(_USUAL_LENGTH) / _USUAL_LENGTH
        #: Batches under way that have light calls: one, and one more in a pause of it.
        self._light = 0
        #: Parts between which a batch can pause, as the last one had them.
        self._parts = 1.0

    def serve(self) -> None:
        """Expect light calls while a batch runs."""
        self._is_served = True

    def pause(self) -> None:
        """Begin no batches until `resume`; the lock is held."""
        self._is_paused = True
        self.note_light()

    def resume(self) -> None:
        """Begin batches again; the lock is held."""
        self._is_paused = False
        self.note_light()
        self._changed.notify_all()

    def wait_until_idle(self, seconds: float) -> None:
        """Wait until nothing waits or runs, unless batches are paused; the lock is held."""

        def is_idle() -> bool:
            return self.is_closed or not (len(self._line) or self._running or len(self.finisher))

        if not self._is_paused:
            self._changed.wait_for(is_idle, seconds)

    def close(self) -> list[EngineRequest]:
        """Begin no batches any more, and return what waits; the lock is held."""
        self.is_closed = True
        left = self._line.drain()
        self.note_light()
        self._changed.notify_all()
        return left

    def note_light(self) -> None:
        """Tell tokenising threads and pauses whether light calls wait or run; the lock is held."""
        holds = (self._light > 0 or self._line.has_light) and not self._is_paused and not self.is_closed
        self.way.note(self, holds=holds)

    def is_light(self, cost: float) -> bool:
        """Tell whether a call is little work; the lock is held."""
        return cost <= max(self.pace.short_step, self.cost.of(_QUERY_TOKENS))

    @property
    def is_ready(self) -> bool:
        """Tell whether a batch can be formed now."""
        return self._line.is_ready and not self._is_paused and not self.is_closed

    @property
    def is_hurried(self) -> bool:
        """Tell whether light calls wait, or came recently; the lock is held."""
        return self._line.has_light or self.pace.is_hurried

    def stats(self) -> EngineStats:
        """Return a snapshot of the counters; the lock is held."""
        waiting = len(self._line) + self._line.loading
        return self._tally.stats(running=self._running, waiting=waiting, waiting_tokens=self._line.tokens)

    def step(self, *, wait: bool, hurried: bool) -> bool:
        """Run one batch, as `Engine.step` has it."""
        with self.computing:
            with self._changed:
                if wait:
                    self._changed.wait_for(lambda: self.is_closed or not self._is_paused)
                elif self._is_paused:
                    return False
                taken = self._line.take(self._bounds(hurried=hurried))
                batch = self._begun(taken)
            if batch:
                self._run(batch, self._pauses(batch))
            return bool(taken)

    def run_light(self) -> None:
        """Run a short step of light calls where some wait, in a pause of another batch of this thread."""
        if not self.computing.acquire(blocking=False):
            return  # another thread changes something of the model meanwhile
        try:
            with self._changed:
                if self._is_paused or self.is_closed:
                    return
                bounds = replace(self._bounds(hurried=True), cost=self._short_cost)
                batch = self._begun(self._line.take_light(bounds))
            if batch:
                self._run(batch, None)
        except Exception as exc:
            # Not what the model raised, which its requests got: the engine is broken, and not the batch that pauses.
            _log.critical("the engine broke and answers no more", exc_info=exc)
            if when_broken := self._when_broken():
                when_broken()
        finally:
            self.computing.release()

    @property
    def _short_cost(self) -> float:
        return min(self.pace.short_step, self._full_cost)

    def _bounds(self, *, hurried: bool) -> StepBounds:
        """Return what the next batch may have; the lock is held."""
        return StepBounds(
            tokens=self.budget,
            requests=self._config.max_num_seqs,
            cost=self._full_cost,
            short_cost=min(self.pace.short_step * max(self._parts * _PART, 1.0), self._full_cost),
            hurried=hurried or self.pace.is_hurried,
        )

    def _begun(self, taken: Sequence[EngineRequest]) -> list[EngineRequest]:
        """Return what is run of requests that were taken from the line; the lock is held."""
        batch = [request for request in taken if request.future.set_running_or_notify_cancel()]
        self._running += len(batch)
        self._light += _is_light(batch)
        self.note_light()
        return batch

    def _pauses(self, batch: Sequence[EngineRequest]) -> Pauses | None:
        """Return the pauses of a batch, where light calls may come meanwhile."""
        # On a GPU a layer has only been launched when the next one begins, and its time would count as the pause's.
        if _is_light(batch) or self._device != "cpu" or not (self._is_served and is_reentrant(self._model)):
            return None
        return Pauses(self.way.flag, self.way.run_light)

    def _run(self, batch: list[EngineRequest], pauses: Pauses | None) -> None:
        outcomes: list[Outcome] = [EngineClosed("The batch of this request was interrupted.") for _ in batch]
        try:
            outcomes = self._answered(batch, pauses)
        finally:
            # Also after Ctrl-C in the computing thread, where nobody may wait for this batch for ever. Settled last:
            # whoever sees a result also sees it in the counters.
            with self._changed:
                self._running -= len(batch)
                self._light -= _is_light(batch)
                self.note_light()
                self.finisher.expect(batch, outcomes)
                self._changed.notify_all()
            with held_back():
                for request, outcome in zip(batch, outcomes, strict=True):
                    self.finisher.settle(request, outcome)

    def _answered(self, batch: list[EngineRequest], pauses: Pauses | None) -> list[Outcome]:
        """Compute a batch, and count it."""
        clocks = {id(request.clock): request.clock for request in batch if request.clock is not None}.values()
        begin = time.perf_counter()
        for clock in clocks:
            clock.note_start(begin)
        if pauses is None:
            outcomes, forwards = answer(self._model, batch, self._device, self._blame)
        else:
            with pauses.allowed():
                outcomes, forwards = answer(self._model, batch, self._device, self._blame)
        end = time.perf_counter()
        own = end - begin - (0.0 if pauses is None else pauses.seconds)
        for clock in clocks:
            clock.note_end(end)
        tokens = sum(request.tokens for request in batch)
        done = BatchDone(model=self._name, requests=len(batch), tokens=tokens, budget=self.budget, seconds=own)
        self._tally.add(done, forwards)
        with self._changed:
            self.pace.note_step(sum(request.cost for request in batch), own)
            if pauses is not None:
                self._parts = pauses.parts(own)
        self._hooks.tell("cenote_batch_done", done)
        return outcomes


def _is_light(batch: Sequence[EngineRequest]) -> bool:
    """Tell whether a batch has light calls."""
    return any(request.is_light for request in batch)
