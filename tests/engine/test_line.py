"""What waits under the operator's limits, and how calls beyond them enter bit by bit."""

from __future__ import annotations

from contextlib import suppress

import pytest

from cenote.engine.line import Load, WaitingLine
from cenote.engine.queue import StepBounds
from cenote.engine.request import EngineRequest, RequestOptions
from cenote.errors import InvalidRequest, QueueFull
from cenote.types import PreparedInput

OPTIONS = RequestOptions(task="embed")


def _units(count: int, tokens: int = 1) -> list[list[EngineRequest]]:
    return [[EngineRequest(PreparedInput(token_ids=(1,) * tokens), OPTIONS)] for _ in range(count)]


def _line(requests: int | None = None, tokens: int | None = None) -> WaitingLine:
    return WaitingLine(Load(requests, tokens))


def _drained(line: WaitingLine, at_once: int) -> list[list[EngineRequest]]:
    batches = []
    while batch := line.take(StepBounds(10**6, at_once)):
        batches.append(batch)
    return batches


def _fill(line: WaitingLine) -> None:
    """Add small calls until one is refused."""
    with suppress(QueueFull):
        while True:
            line.add(_units(1, tokens=4), bounded=True)


def test_a_large_call_takes_half_of_the_queue_and_follows_up() -> None:
    line, large = _line(requests=8), _units(20)
    line.add(large, bounded=True)
    assert len(line) == 20
    assert len(line.take(StepBounds(10**6, 100))) == 4
    line.add(_units(4), bounded=True)  # the other half is free for others
    with pytest.raises(QueueFull, match="8 prompts wait and 1 more were sent; at most 8 may wait"):
        line.add(_units(1), bounded=True)
    batches = _drained(line, 100)
    assert [len(batch) for batch in batches] == [8, 4, 4, 4][: len(batches)]
    assert sum(map(len, batches)) == 20
    assert len(line) == 0
    assert line.tokens == 0


def test_the_order_of_a_large_call_is_kept() -> None:
    line, large = _line(tokens=10), _units(30)
    line.add(large, bounded=True)
    taken = [request for batch in _drained(line, 3) for request in batch]
    assert taken == [request for unit in large for request in unit]


def test_calls_take_turns_with_a_large_one() -> None:
    line = _line(requests=8)
    line.add(_units(12), bounded=True)
    (small,) = _units(1)
    line.add([small], bounded=True)
    first, second = line.take(StepBounds(1, 1)), line.take(StepBounds(1, 1))
    assert first[0] is not small[0]
    assert second == small


def test_a_second_large_call_is_refused_while_the_first_fills_its_half() -> None:
    line = _line(requests=8)
    line.add(_units(12), bounded=True)
    # Those are the ones in the queue, and the next one of the first call.
    with pytest.raises(QueueFull, match="5 prompts of calls beyond the limit of 8 wait, as this one is"):
        line.add(_units(9), bounded=True)
    _drained(line, 100)
    line.add(_units(9), bounded=True)
    assert len(line) == 9


def test_a_full_queue_refuses_a_large_call() -> None:
    line = _line(requests=4)
    line.add(_units(4), bounded=True)
    with pytest.raises(QueueFull, match="4 prompts wait and 2 more"):
        line.add(_units(9), bounded=True)
    assert len(line) == 4


def test_prompts_beyond_half_of_the_limit_enter_one_by_one() -> None:
    line = _line(tokens=10)
    line.add(_units(3, tokens=9), bounded=True)
    assert line.tokens == 27
    assert [len(batch) for batch in _drained(line, 100)] == [1, 1, 1]


def test_a_large_prompt_of_a_large_call_is_not_kept_outside_by_small_calls() -> None:
    line = _line(tokens=100)
    big = [*_units(1, tokens=45), *_units(1, tokens=90)]
    line.add(big, bounded=True)
    for _ in range(100):
        _fill(line)
        if big[1][0] in line.take(StepBounds(10, 100)):
            break
    else:
        pytest.fail("the large prompt never entered the queue")
    _drained(line, 100)
    line.add(_units(25, tokens=4), bounded=True)


def test_prompts_outside_are_dropped_one_by_one_with_their_counts() -> None:
    line, units = _line(requests=4), _units(9, tokens=2)
    line.add(units, bounded=True)
    for left, unit in zip(range(8, -1, -1), reversed(units), strict=True):
        unit[0].future.cancel()
        line.discard(unit)
        assert (len(line), line.tokens) == (left, 2 * left)
    assert line.take(StepBounds(10**6, 100)) == []


def test_cancelling_gives_the_room_to_those_outside() -> None:
    line = _line(requests=4)
    first, second = _units(3), _units(6)
    line.add(second, bounded=True)
    for unit in second:
        unit[0].future.cancel()
    line.discard([unit[0] for unit in second])
    assert len(line) == 0
    line.add(first, bounded=True)
    assert len(line.take(StepBounds(10**6, 100))) == 3


def test_what_has_no_limit_is_never_refused() -> None:
    line = _line(requests=2)
    line.add(_units(9), bounded=False)
    assert len(line.take(StepBounds(10**6, 100))) == 9
    line.add([], bounded=True)
    assert not line.is_ready


def test_a_prompt_beyond_the_limits_is_wrong() -> None:
    line = _line(tokens=10)
    with pytest.raises(
        InvalidRequest, match="The prompt has 11 tokens; this server takes at most 10 at once"
    ) as caught:
        line.add([*_units(2), *_units(1, tokens=11)], bounded=True)
    assert caught.value.param == "input"
    assert len(line) == 0


def test_draining_returns_also_what_is_outside() -> None:
    line = _line(requests=4)
    line.add(_units(9), bounded=True)
    assert len(line.drain()) == 9
    assert len(line) == 0
