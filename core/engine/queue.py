"""The waiting queue, and how a batch is taken from it.

Calls take turns: each batch is built around the oldest request of the next call, so a call of thousands of texts
cannot hold up a call of one, and nothing starves. The rest of the token budget goes to the requests nearest to
that one in length, whoever sent them, so that attention runs on long groups of equal length. Batch order is by
length.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from sortedcontainers import SortedDict, SortedKeyList

from cenote.engine.request import EngineRequest

__all__ = ["WaitingQueue"]

#: The waiting requests of one call, oldest first.
_Call = OrderedDict[EngineRequest, None]


class WaitingQueue:
    """Requests ordered by turn and by length. Not thread safe; the engine holds its lock."""

    def __init__(self) -> None:
        #: Per priority, the calls in the order of their turns.
        self._turns: SortedDict[int, OrderedDict[int, _Call]] = SortedDict()
        self._by_length = SortedKeyList(key=lambda request: (request.tokens, request.arrival))
        self._arrivals = 0
        self._calls = 0
        self.tokens = 0

    def __len__(self) -> int:
        return len(self._by_length)

    def add(self, requests: Sequence[EngineRequest], *, call: int | None = None) -> int:
        """Append the requests of one call, which all have the same priority, and return the call's number.

        Args:
            requests: of the call.
            call: its number, where earlier requests of it were added already.
        """
        if call is None:
            self._calls += 1
            call = self._calls
        if not requests:
            return call
        for request in requests:
            request.arrival, request.call = self._arrivals, call
            self._arrivals += 1
            self.tokens += request.tokens
        turns = self._turns.setdefault(requests[0].options.priority, OrderedDict())
        turns.setdefault(call, OrderedDict()).update(OrderedDict.fromkeys(requests))
        self._by_length.update(requests)
        return call

    def take(self, token_budget: int, max_requests: int) -> list[EngineRequest]:
        """Remove and return the next batch, shortest first; empty where nothing waits.

        The request whose turn it is is taken even where it alone exceeds the budget.
        """
        if not self._by_length:
            return []
        anchor = self._next_in_turn()
        first = last = self._by_length.index(anchor)
        total = anchor.tokens
        while last - first + 1 < max_requests:
            below = self._fitting(first - 1, token_budget - total)
            above = self._fitting(last + 1, token_budget - total)
            chosen = _nearest(anchor, below, above)
            if chosen is None:
                break
            if chosen is below:
                first -= 1
            else:
                last += 1
            total += chosen.tokens
        batch = list(self._by_length[first : last + 1])
        del self._by_length[first : last + 1]
        for request in batch:
            self._forget(request)
        return batch

    def discard(self, request: EngineRequest) -> bool:
        """Remove a request, and tell whether it still waited."""
        if request not in self._by_length:
            return False
        self._by_length.remove(request)
        self._forget(request)
        return True

    def drain(self) -> list[EngineRequest]:
        """Remove and return everything."""
        waiting = list(self._by_length)
        self._turns.clear()
        self._by_length.clear()
        self.tokens = 0
        return waiting

    def _next_in_turn(self) -> EngineRequest:
        """Return the oldest request of the call whose turn it is, and put that call last."""
        turns: OrderedDict[int, _Call] = self._turns.peekitem(0)[1]
        call = next(iter(turns))
        turns.move_to_end(call)
        return next(iter(turns[call]))

    def _fitting(self, place: int, room: int) -> EngineRequest | None:
        """Return the request at a place in length order, where there is one of at most so many tokens."""
        if not 0 <= place < len(self._by_length):
            return None
        request: EngineRequest = self._by_length[place]
        return request if request.tokens <= room else None

    def _forget(self, request: EngineRequest) -> None:
        """Take a request out of its call's turn, and a call that is done out of the order."""
        priority = request.options.priority
        turns = self._turns[priority]
        del turns[request.call][request]
        if not turns[request.call]:
            del turns[request.call]
        if not turns:
            del self._turns[priority]
        self.tokens -= request.tokens


def _nearest(anchor: EngineRequest, below: EngineRequest | None, above: EngineRequest | None) -> EngineRequest | None:
    """Return the neighbour whose length is closest to the anchor's; the longer one on a tie."""
    if below is None or above is None:
        return above if below is None else below
    return above if above.tokens - anchor.tokens <= anchor.tokens - below.tokens else below
