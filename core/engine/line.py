"""Everything that waits: the queue that batches are taken from, and what large calls keep outside of it.

The operator's limits say how much may wait in the queue. A call that fits waits in it as a whole, or is refused
while others fill it. A call that alone is larger than the limits enters bit by bit, as its own prompts leave; such
calls take at most half of the queue, so that smaller ones still find room. Where nothing but others keeps the next
of their prompts outside, the others' new calls leave it the room that it needs: nothing starves. Prompts whose media
are loaded have their places in the queue already, so that overload shows before work is spent on them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from cenote.engine.queue import StepBounds, WaitingQueue
from cenote.engine.request import EngineRequest
from cenote.errors import InvalidRequest, QueueFull

__all__ = ["Load", "Unit", "WaitingLine"]

#: What must wait together: a prompt, or the parts of a long one.
Unit: TypeAlias = list[EngineRequest]


@dataclass(frozen=True, slots=True)
class Load:
    """How much waits, or may wait; None is without limit."""

    requests: int | None = 0
    tokens: int | None = 0

    @classmethod
    def of(cls, requests: Sequence[EngineRequest]) -> Load:
        """Return the load of some requests."""
        return cls(len(requests), sum(request.tokens for request in requests))

    def __add__(self, other: Load) -> Load:
        return Load((self.requests or 0) + (other.requests or 0), (self.tokens or 0) + (other.tokens or 0))

    def __sub__(self, other: Load) -> Load:
        return Load((self.requests or 0) - (other.requests or 0), (self.tokens or 0) - (other.tokens or 0))

    def fits(self, limit: Load) -> bool:
        """Tell whether it is within a limit."""
        return self.excess(limit) is None

    def excess(self, limit: Load) -> tuple[str, int, int] | None:
        """Return what is beyond a limit, how much there is, and the limit; None where nothing is."""
        if limit.requests is not None and (self.requests or 0) > limit.requests:
            return "prompts", self.requests or 0, limit.requests
        if limit.tokens is not None and (self.tokens or 0) > limit.tokens:
            return "tokens", self.tokens or 0, limit.tokens
        return None

    def half(self) -> Load:
        """Return half of a limit."""
        return Load(self.requests and self.requests // 2, self.tokens and self.tokens // 2)


class WaitingLine:
    """Requests that wait. Not thread safe; the engine holds its lock."""

    def __init__(self, limit: Load) -> None:
        """Make an empty line; `limit` is what may wait in the queue."""
        self._queue = WaitingQueue()
        self._limit = limit
        self._share = limit.half()
        #: What large calls keep outside, by its first request, and how much that is.
        self._outside: OrderedDict[EngineRequest, Unit] = OrderedDict()
        self._beyond = Load()
        #: What waits in the queue of calls that are larger than the limit.
        self._large = Load()
        #: Prompts whose media are loaded, and the places in the queue that are kept for them.
        self.loading = self._kept = 0

    def __len__(self) -> int:
        return len(self._queue) + (self._beyond.requests or 0)

    @property
    def tokens(self) -> int:
        """Return the tokens of all that waits."""
        return self._queue.tokens + (self._beyond.tokens or 0)

    @property
    def is_bounded(self) -> bool:
        """Tell whether the operator set a limit."""
        return self._limit != Load(None, None)

    @property
    def is_ready(self) -> bool:
        """Tell whether a batch can be taken."""
        return bool(self._queue)

    @property
    def has_light(self) -> bool:
        """Tell whether a call waits that is little work."""
        return self._queue.has_light

    def check_unit(self, unit: Unit) -> None:
        """Refuse a prompt that can never enter the queue.

        Raises:
            InvalidRequest: it alone is beyond the limits.
        """
        if excess := Load.of(unit).excess(self._limit):
            what, count, most = excess
            what = "chunks" if what == "prompts" else what
            text = f"The prompt has {count} {what}; this server takes at most {most} at once. Shorten it."
            raise InvalidRequest(text, param="input")

    @contextmanager
    def expected(self, count: int, lock: AbstractContextManager[object], *, bounded: bool) -> Iterator[None]:
        """Keep places for prompts whose media are loaded while the block runs; `add` them right after it.

        Prompts of a call that alone is larger than the limit have half of the queue, as `add` gives them.

        Args:
            count: of these prompts.
            lock: held wherever the line is used.
            bounded: apply the limit on prompts.

        Raises:
            QueueFull: others leave no room.
        """
        most = self._limit.requests
        kept = count if most is None or count <= most else max(1, most // 2)
        with lock:
            waiting = len(self._queue) + self._kept
            if bounded and most is not None and waiting + kept > most:
                raise QueueFull(f"{waiting} prompts wait and {count} more were sent; at most {most} may wait.")
            self.loading += count
            self._kept += kept
        try:
            yield
        finally:
            with lock:
                self.loading -= count
                self._kept -= kept

    def add(self, units: Sequence[Unit], *, bounded: bool, light: bool = False) -> None:
        """Let the prompts of one call wait.

        Args:
            units: the prompts.
            bounded: apply the limits.
            light: the call is little work.

        Raises:
            QueueFull: what others have in the queue leaves no room; nothing waits.
            InvalidRequest: a prompt alone is beyond the limits; nothing waits.
        """
        everything = [request for unit in units for request in unit]
        if not bounded or Load.of(everything).fits(self._limit):
            if bounded:
                self._check_room(everything)
            self._queue.add(everything, light=light)
            return
        for unit in units:
            self.check_unit(unit)
        self._add_large(units)

    def _add_large(self, units: Sequence[Unit]) -> None:
        size = 1
        first = Load.of(units[0])
        while (first + Load.of(units[size])).fits(self._share):  # the whole does not fit: there is an end
            first += Load.of(units[size])
            size += 1
        entering = [request for unit in units[:size] for request in unit]
        self._check_room(entering, of_large=True)
        call = self._queue.add(entering)
        self._large += first
        for unit in units[size:]:
            for request in unit:
                request.call = call
        for request in (request for unit in units for request in unit):
            request.is_large_call = True
        for unit in units[size:]:
            self._outside[unit[0]] = unit
            self._beyond += Load.of(unit)

    def _check_room(self, requests: Sequence[EngineRequest], *, of_large: bool = False) -> None:
        waiting = Load(len(self._queue) + self._kept, self._queue.tokens)
        more, share = Load.of(requests), self._large
        if self._outside:
            claimed = Load.of(next(iter(self._outside.values())))
            share += claimed
            if self._may_enter(claimed):
                waiting += claimed
        if excess := (waiting + more).excess(self._limit):
            what, count, most = excess
            added = _amount(more, what)
            raise QueueFull(f"{count - added} {what} wait and {added} more were sent; at most {most} may wait.")
        if of_large and share.requests and (excess := (share + more).excess(self._share)):
            what, count, _ = excess
            most, held = _amount(self._limit, what), count - _amount(more, what)
            raise QueueFull(
                f"{held} {what} of calls beyond the limit of {most} wait, as this one is; such calls share half of the "
                "queue. Send it later, or in smaller calls."
            )

    def _may_enter(self, load: Load) -> bool:
        """Tell whether the share of large calls has room for a prompt of one of them."""
        return not self._large.requests or (self._large + load).fits(self._share)

    def take(self, bounds: StepBounds) -> list[EngineRequest]:
        """Remove and return the next batch; what large calls keep outside moves up."""
        batch = self._queue.take(bounds)
        self._left([request for request in batch if request.is_large_call])
        return batch

    def take_light(self, bounds: StepBounds) -> list[EngineRequest]:
        """Remove and return a batch of light calls, none of which is a large one; empty where none waits."""
        batch = self._queue.take_light(bounds)
        self._left([])  # they may have left room to what waits outside
        return batch

    def discard(self, requests: Sequence[EngineRequest]) -> None:
        """Remove requests that were cancelled, where they still wait."""
        removed = [request for request in requests if self._queue.discard(request)]
        for request in requests:
            if unit := self._outside.pop(request, None):
                self._beyond -= Load.of(unit)
        self._left([request for request in removed if request.is_large_call])

    def drain(self) -> list[EngineRequest]:
        """Remove and return everything."""
        waiting = [*self._queue.drain(), *(request for unit in self._outside.values() for request in unit)]
        self._outside.clear()
        self._large = self._beyond = Load()
        return waiting

    def _left(self, requests: Sequence[EngineRequest]) -> None:
        """Fill the room that requests of large calls, or others, left in the queue."""
        self._large -= Load.of(requests)
        while self._outside:
            unit = next(iter(self._outside.values()))
            load = Load.of(unit)
            whole = Load(len(self._queue), self._queue.tokens) + load
            if not whole.fits(self._limit) or not self._may_enter(load):
                return
            del self._outside[unit[0]]
            self._beyond -= load
            self._queue.add(unit, call=unit[0].call)
            self._large += load


def _amount(load: Load, what: str) -> int:
    return (load.requests if what == "prompts" else load.tokens) or 0
