"""The waiting queue: budget, fairness, order."""

from __future__ import annotations

import random
from typing import Any

from sortedcontainers import SortedDict

from cenote.engine.queue import StepBounds, WaitingQueue
from cenote.engine.request import EngineRequest, RequestOptions
from cenote.types import PreparedInput


def _request(tokens: int, priority: int = 0) -> EngineRequest:
    return EngineRequest(PreparedInput(token_ids=(1,) * tokens), RequestOptions(task="embed", priority=priority))


def _filled(*lengths: int) -> WaitingQueue:
    """Return a queue of one call."""
    queue = WaitingQueue()
    queue.add([_request(length) for length in lengths])
    return queue


def _lengths(batch: list[EngineRequest]) -> list[int]:
    return [request.tokens for request in batch]


def test_the_length_may_be_read_while_another_thread_takes_the_last_of_a_priority() -> None:
    seen: list[int] = []

    class Slow(SortedDict):  # type: ignore[type-arg]
        def __delitem__(self, key: Any) -> None:
            dict.__delitem__(self, key)
            seen.append(len(queue))  # what another thread would read here
            self._list_remove(key)

    queue = WaitingQueue()
    request = _request(3)
    queue.add([request])
    queue._turns = Slow(queue._turns)
    assert queue.discard(request)
    assert seen == [0]


def test_an_empty_queue_gives_an_empty_batch() -> None:
    assert WaitingQueue().take(StepBounds(100, 10)) == []


def test_the_oldest_request_is_always_in_the_batch() -> None:
    assert 500 in _lengths(_filled(500, 3, 3, 3).take(StepBounds(510, 10)))


def test_a_request_over_the_budget_runs_alone() -> None:
    queue = _filled(500, 3, 3)
    assert _lengths(queue.take(StepBounds(100, 10))) == [500]
    assert _lengths(queue.take(StepBounds(100, 10))) == [3, 3]


def test_neighbours_in_length_fill_the_budget() -> None:
    assert _lengths(_filled(10, 100, 11, 9, 100).take(StepBounds(30, 10))) == [9, 10, 11]


def test_a_shorter_neighbour_fits_where_the_nearer_longer_one_does_not() -> None:
    assert _lengths(_filled(10, 12, 5).take(StepBounds(16, 10))) == [5, 10]


def test_the_number_of_requests_is_bounded() -> None:
    queue = _filled(*[4] * 10)
    assert len(queue.take(StepBounds(1000, 3))) == 3
    assert len(queue) == 7


def test_lower_priority_numbers_run_first() -> None:
    queue = _filled(5, 5)
    queue.add([_request(50, priority=-1)])
    assert _lengths(queue.take(StepBounds(50, 10))) == [50]


def test_requests_of_later_priorities_wait_while_own_ones_do() -> None:
    queue = _filled(100)
    queue.add([_request(100, priority=9) for _ in range(50)])
    queue.add([_request(300) for _ in range(5)])

    batch = queue.take(StepBounds(1000, 256))

    assert _lengths(batch) == [100, 300, 300, 300]
    assert {request.options.priority for request in batch} == {0}


def test_requests_of_later_priorities_fill_what_is_left() -> None:
    queue = _filled(20)
    queue.add([_request(length, priority=9) for length in (10, 21, 90, 50)])
    queue.add([_request(22, priority=4)])

    assert _lengths(queue.take(StepBounds(75, 10))) == [10, 20, 21, 22]
    assert _lengths(queue.take(StepBounds(200, 10))) == [50, 90]


def test_every_request_leaves_once_and_tokens_are_counted() -> None:
    lengths = [random.Random(7).randint(1, 90) for _ in range(500)]
    queue = _filled(*lengths)
    assert queue.tokens == sum(lengths)
    taken: list[int] = []
    while queue:
        batch = queue.take(StepBounds(128, 16))
        assert sum(_lengths(batch)) <= 128
        assert _lengths(batch) == sorted(_lengths(batch))
        taken += _lengths(batch)
    assert sorted(taken) == sorted(lengths)
    assert queue.tokens == 0


def test_a_call_of_thousands_does_not_hold_up_a_call_of_one() -> None:
    queue = _filled(*[256] * 2000)
    queue.take(StepBounds(2048, 256))
    queue.add([_request(5)])
    batches = [_lengths(queue.take(StepBounds(2048, 256))) for _ in range(2)]
    assert any(5 in batch for batch in batches)


def test_a_long_request_is_not_starved_by_a_stream_of_short_calls() -> None:
    queue = _filled(90)
    for round_ in range(40):
        queue.add([_request(4) for _ in range(30)])
        if round_ == 0:
            queue.take(StepBounds(100, 50))
            queue.add([_request(90)])
            continue
        if 90 in _lengths(queue.take(StepBounds(100, 50))):
            return
    raise AssertionError("the long request starved")


def test_calls_of_equal_size_progress_together() -> None:
    queue = WaitingQueue()
    for length in (30, 31):
        queue.add([_request(length) for _ in range(50)])
    seen = [length for _ in range(20) for length in _lengths(queue.take(StepBounds(64, 1)))]
    assert abs(seen.count(30) - seen.count(31)) <= 1


def test_a_discarded_request_is_gone_and_its_call_goes_on() -> None:
    queue = WaitingQueue()
    requests = [_request(3), _request(4)]
    queue.add(requests)
    queue.discard(requests[0])
    queue.discard(requests[0])
    assert (len(queue), queue.tokens) == (1, 4)
    assert _lengths(queue.take(StepBounds(100, 10))) == [4]
    assert queue.take(StepBounds(100, 10)) == []
