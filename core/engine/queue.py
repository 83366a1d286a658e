"""The waiting queue, and how a batch is taken from it.

A batch is built around the request that has waited longest (of the most urgent priority), so nothing starves;
the rest of the token budget goes to the requests nearest to it in length, so that attention runs on long groups
of equal length. Batch order is by length.
"""

from __future__ import annotations

from sortedcontainers import SortedKeyList

from cenote.engine.request import EngineRequest

__all__ = ["WaitingQueue"]


class WaitingQueue:
    """Requests ordered by urgency and by length. Not thread safe; the engine holds its lock."""

    def __init__(self) -> None:
        self._by_urgency = SortedKeyList(key=lambda request: (request.options.priority, request.arrival))
        self._by_length = SortedKeyList(key=lambda request: (request.tokens, request.arrival))
        self._arrivals = 0
        self.tokens = 0

    def __len__(self) -> int:
        return len(self._by_urgency)

    def add(self, request: EngineRequest) -> None:
        """Append a request."""
        request.arrival = self._arrivals
        self._arrivals += 1
        self.tokens += request.tokens
        self._by_urgency.add(request)
        self._by_length.add(request)

    def take(self, token_budget: int, max_requests: int) -> list[EngineRequest]:
        """Remove and return the next batch, shortest first; empty where nothing waits.

        The most urgent request is taken even where it alone exceeds the budget.
        """
        if not self._by_urgency:
            return []
        anchor = self._by_urgency[0]
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
        self._remove(batch, first, last)
        return batch

    def discard(self, request: EngineRequest) -> None:
        """Remove a request, where it still waits."""
        if request in self._by_urgency:
            self._by_urgency.remove(request)
            self._by_length.remove(request)
            self.tokens -= request.tokens

    def drain(self) -> list[EngineRequest]:
        """Remove and return everything."""
        waiting = list(self._by_urgency)
        self._by_urgency.clear()
        self._by_length.clear()
        self.tokens = 0
        return waiting

    def _fitting(self, place: int, room: int) -> EngineRequest | None:
        """Return the request at a place in length order, where there is one of at most so many tokens."""
        if not 0 <= place < len(self._by_length):
            return None
        request: EngineRequest = self._by_length[place]
        return request if request.tokens <= room else None

    def _remove(self, batch: list[EngineRequest], first: int, last: int) -> None:
        del self._by_length[first : last + 1]
        for request in batch:
            self._by_urgency.remove(request)
            self.tokens -= request.tokens


def _nearest(anchor: EngineRequest, below: EngineRequest | None, above: EngineRequest | None) -> EngineRequest | None:
    """Return the neighbour whose length is closest to the anchor's; the longer one on a tie."""
    if below is None or above is None:
        return above if below is None else below
    return above if above.tokens - anchor.tokens <= anchor.tokens - below.tokens else below
