"""The waiting queue, and how a batch is taken from it.

Calls take turns: each batch is built around the oldest request of the next call, so a call of thousands of texts
cannot hold up a call of one, and nothing starves. The rest of the budget goes to the requests nearest to that one in
length, whoever sent them, so that attention runs on long groups of equal length. Batch order is by length. A request
of a later priority joins only where none of the earlier ones is left waiting.

Calls that are little work, such as one query, need more: beside a bulk job a full batch takes long, and so do turns of
many callers. Such light calls get every second batch, all of them together and with nothing else in it, as long as
heavier ones wait too; and the batches of the heavier ones, which have no light one in them, are short meanwhile, by
estimated cost.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from sortedcontainers import SortedDict, SortedKeyList

from cenote.engine.request import EngineRequest

__all__ = ["StepBounds", "WaitingQueue"]

#: The waiting requests of one call, oldest first.
_Call: TypeAlias = OrderedDict[EngineRequest, None]
#: Calls by their numbers, in the order of their turns.
_Calls: TypeAlias = OrderedDict[int, _Call]


@dataclass(frozen=True, slots=True)
class StepBounds:
    """How much one batch may have. A request alone may exceed everything.

    Attributes:
        tokens: tokens.
        requests: requests.
        cost: estimated work.
        short_cost: the same for heavier calls while light ones wait.
        hurried: light ones may come at any time: keep to `short_cost` also while none waits.
    """

    tokens: int
    requests: int
    cost: float = float("inf")
    short_cost: float = float("inf")
    hurried: bool = False


def _by_length() -> SortedKeyList[EngineRequest]:
    return SortedKeyList(key=lambda request: (request.tokens, request.arrival))


@dataclass(slots=True)
class _Kind:
    """What waits of one weight."""

    calls: _Calls = field(default_factory=OrderedDict)
    by_length: SortedKeyList[EngineRequest] = field(default_factory=_by_length)

    def __bool__(self) -> bool:
        return bool(self.calls)

    def add(self, call: int, requests: Sequence[EngineRequest]) -> None:
        self.calls.setdefault(call, OrderedDict()).update(OrderedDict.fromkeys(requests))
        self.by_length.update(requests)

    def remove(self, request: EngineRequest) -> None:
        self.by_length.remove(request)
        del self.calls[request.call][request]
        if not self.calls[request.call]:
            del self.calls[request.call]

    def next_in_turn(self) -> EngineRequest:
        """Return the oldest request of the call whose turn it is, and put that call last."""
        call = next(iter(self.calls))
        self.calls.move_to_end(call)
        return next(iter(self.calls[call]))


@dataclass(slots=True)
class _Turns:
    """What waits with one priority.

    Attributes:
        light: calls that are little work.
        heavy: the others.
        was_light: the last batch was one of light calls.
    """

    light: _Kind = field(default_factory=_Kind)
    heavy: _Kind = field(default_factory=_Kind)
    was_light: bool = False

    def __bool__(self) -> bool:
        return bool(self.light or self.heavy)

    def of(self, *, light: bool) -> _Kind:
        return self.light if light else self.heavy


@dataclass(slots=True)
class _Room:
    """What is left of a batch."""

    tokens: int
    requests: int
    cost: float

    def fits(self, request: EngineRequest) -> bool:
        return self.requests > 0 and request.tokens <= self.tokens and request.cost <= self.cost

    def give(self, request: EngineRequest) -> None:
        self.tokens, self.requests, self.cost = (
            self.tokens - request.tokens,
            self.requests - 1,
            self.cost - request.cost,
        )


class WaitingQueue:
    """Requests ordered by turn and by length. Not thread safe; the engine holds its lock.

    Its length alone may be read without it.
    """

    def __init__(self) -> None:
        self._turns: SortedDict[int, _Turns] = SortedDict()
        self._arrivals = 0
        self._calls = 0
        self._light = 0
        self._waiting = 0
        self.tokens = 0

    def __len__(self) -> int:
        return self._waiting

    @property
    def has_light(self) -> bool:
        """Tell whether a light call waits that no earlier priority goes before."""
        return bool(self._turns) and bool(self._turns.peekitem(0)[1].light)

    def add(self, requests: Sequence[EngineRequest], *, call: int | None = None, light: bool = False) -> int:
        """Append the requests of one call, which all have the same priority, and return the call's number.

        Args:
            requests: of the call.
            call: its number, where earlier requests of it were added already.
            light: the call is little work.
        """
        if call is None:
            self._calls += 1
            call = self._calls
        if not requests:
            return call
        for request in requests:
            request.arrival, request.call, request.is_light = self._arrivals, call, light
            self._arrivals += 1
            self.tokens += request.tokens
        turns = self._turns.setdefault(requests[0].options.priority, _Turns())
        turns.of(light=light).add(call, requests)
        self._waiting += len(requests)
        self._light += light * len(requests)
        return call

    def take(self, bounds: StepBounds) -> list[EngineRequest]:
        """Remove and return the next batch, shortest first; empty where nothing waits.

        The request whose turn it is is taken even where it alone exceeds the bounds.
        """
        if not self._turns:
            return []
        turns: _Turns = self._turns.peekitem(0)[1]
        turns.was_light = bool(turns.light) and not (turns.heavy and turns.was_light)
        is_mixed = len(self) > self._light
        if turns.was_light and is_mixed:
            return self._take_light(turns.light, bounds)
        is_short = not turns.was_light and (bounds.hurried or self.has_light)
        return self._take_near(turns.was_light, bounds, bounds.short_cost if is_short else bounds.cost)

    def take_light(self, bounds: StepBounds) -> list[EngineRequest]:
        """Remove and return a batch of light calls alone, which counts as their turn; empty where none waits."""
        if not self.has_light:
            return []
        turns: _Turns = self._turns.peekitem(0)[1]
        turns.was_light = True
        return self._take_light(turns.light, bounds)

    def discard(self, request: EngineRequest) -> bool:
        """Remove a request, and tell whether it still waited."""
        turns = self._turns.get(request.options.priority)
        if turns is None or request not in turns.of(light=request.is_light).by_length:
            return False
        self._forget([request])
        return True

    def drain(self) -> list[EngineRequest]:
        """Remove and return everything."""
        kinds = (kind for turns in self._turns.values() for kind in (turns.light, turns.heavy))
        waiting = [request for kind in kinds for request in kind.by_length]
        self._turns.clear()
        self.tokens = self._light = self._waiting = 0
        return waiting

    def _take_light(self, light: _Kind, bounds: StepBounds) -> list[EngineRequest]:
        """Remove and return what fits of light calls, in the order of their turns."""
        batch: list[EngineRequest] = []
        tokens, cost = 0, 0.0
        for request in (request for call in light.calls.values() for request in call):
            tokens, cost = tokens + request.tokens, cost + request.cost
            if batch and (tokens > bounds.tokens or cost > bounds.cost or len(batch) == bounds.requests):
                break
            batch.append(request)
        self._forget(batch)
        return sorted(batch, key=lambda request: request.tokens)

    def _take_near(self, light: bool, bounds: StepBounds, cost: float) -> list[EngineRequest]:
        """Remove and return a request, and those of its weight nearest to it in length that fit beside it."""
        anchor = self._turns.peekitem(0)[1].of(light=light).next_in_turn()
        room = _Room(bounds.tokens, bounds.requests, cost)
        room.give(anchor)
        batch: list[EngineRequest] = []
        for turns in self._turns.values():
            kind = turns.of(light=light)
            chosen = _near(kind.by_length, anchor, room)
            batch += chosen
            if len(chosen) < len(kind.by_length) or turns.of(light=not light):
                break
        self._forget(batch)
        return sorted(batch, key=lambda request: request.tokens)

    def _forget(self, requests: Sequence[EngineRequest]) -> None:
        """Take requests out of the order, with calls and priorities of which none is left."""
        self._waiting -= len(requests)
        for request in requests:
            turns = self._turns[request.options.priority]
            turns.of(light=request.is_light).remove(request)
            if not turns:
                del self._turns[request.options.priority]
            self.tokens -= request.tokens
            self._light -= request.is_light


def _near(ordered: SortedKeyList[EngineRequest], anchor: EngineRequest, room: _Room) -> list[EngineRequest]:
    """Return the requests nearest to one in length, and that one where it is among them, and take their room."""
    first = ordered.bisect_key_left((anchor.tokens, anchor.arrival))
    end = first + (first < len(ordered) and ordered[first] is anchor)
    while True:
        below, above = (
            ordered[place] if 0 <= place < len(ordered) and room.fits(ordered[place]) else None
            for place in (first - 1, end)
        )
        chosen = _nearest(anchor, below, above)
        if chosen is None:
            return list(ordered[first:end])
        room.give(chosen)
        first, end = (first - 1, end) if chosen is below else (first, end + 1)


def _nearest(anchor: EngineRequest, below: EngineRequest | None, above: EngineRequest | None) -> EngineRequest | None:
    """Return the neighbour whose length is closest to the anchor's; the longer one on a tie."""
    if below is None or above is None:
        return above if below is None else below
    return above if above.tokens - anchor.tokens <= anchor.tokens - below.tokens else below
