"""Short calls beside bulk jobs: which requests a step has, and how much work that is."""

from __future__ import annotations

from typing import Any

from cenote.adapters.cost import PromptCost, cost_of
from cenote.config import EngineConfig
from cenote.engine import Engine
from cenote.engine.queue import StepBounds, WaitingQueue
from cenote.engine.request import EngineRequest, RequestOptions
from cenote.types import PreparedInput

OPTIONS = RequestOptions(task="embed")
BOUNDS = StepBounds(2048, 256, cost=2048, short_cost=400)
HURRIED = StepBounds(2048, 256, cost=2048, short_cost=400, hurried=True)


def _request(tokens: int, priority: int = 0) -> EngineRequest:
    return EngineRequest(PreparedInput(token_ids=(1,) * tokens), RequestOptions(task="embed", priority=priority))


def _busy(*light: int) -> WaitingQueue:
    """Return a queue with a bulk call of 1000 texts, and a light call for each of the lengths."""
    queue = WaitingQueue()
    queue.add([_request(100) for _ in range(1000)])
    for tokens in light:
        queue.add([_request(tokens)], light=True)
    return queue


def _lengths(batch: list[EngineRequest]) -> list[int]:
    return [request.tokens for request in batch]


def test_a_bulk_call_alone_gets_full_batches() -> None:
    assert len(_busy().take(BOUNDS)) == 20


def test_light_calls_run_next_and_together_with_nothing_else() -> None:
    assert _lengths(_busy(12, 30, 99).take(BOUNDS)) == [12, 30, 99]


def test_a_bulk_call_gets_every_second_batch_and_a_short_one() -> None:
    queue = _busy()
    seen = []
    for _ in range(6):
        queue.add([_request(10)], light=True)
        seen.append(_lengths(queue.take(BOUNDS)))
    assert seen == [[10], [100] * 4, [10, 10], [100] * 4, [10, 10], [100] * 4]


def test_bulk_batches_stay_short_where_light_calls_may_come() -> None:
    assert len(_busy().take(HURRIED)) == 4


def test_a_prompt_beyond_the_short_step_still_runs() -> None:
    queue = WaitingQueue()
    queue.add([_request(1500), _request(1600)])
    assert _lengths(queue.take(HURRIED)) == [1500]


def test_light_calls_alone_share_full_batches() -> None:
    queue = WaitingQueue()
    for _ in range(300):
        queue.add([_request(10)], light=True)
    assert len(queue.take(BOUNDS)) == 204


def test_light_calls_beyond_a_batch_keep_their_order() -> None:
    queue = _busy(*[1000, 900, 800, 5])
    assert _lengths(queue.take(BOUNDS)) == [900, 1000]
    queue.take(BOUNDS)
    assert _lengths(queue.take(BOUNDS)) == [5, 800]


def test_a_lower_number_of_priority_comes_before_light_calls_of_others() -> None:
    queue = _busy(7)
    queue.add([_request(50, priority=-1)])
    assert 50 in _lengths(queue.take(BOUNDS))


def test_light_calls_of_later_priorities_do_not_shorten_batches() -> None:
    queue = _busy()
    queue.add([_request(10, priority=5)], light=True)
    assert not queue.has_light
    assert len(queue.take(BOUNDS)) == 20


def test_cost_bounds_a_batch_of_long_texts_before_tokens_do() -> None:
    queue = WaitingQueue()
    requests = [_request(500) for _ in range(8)]
    for request in requests:
        request.cost = PromptCost(pair=0.002).of(request.tokens)  # as much work as 1000 tokens alone
    queue.add(requests)
    assert len(queue.take(StepBounds(4000, 256, cost=2048))) == 2


def test_everything_leaves_once() -> None:
    queue = _busy(*range(1, 60))
    taken = 0
    while queue:
        taken += len(queue.take(HURRIED))
    assert (taken, queue.tokens, queue.has_light) == (1059, 0, False)


def test_discarded_light_requests_no_longer_shorten_batches() -> None:
    queue = _busy()
    light = _request(10)
    queue.add([light], light=True)
    queue.discard(light)
    assert len(queue.take(BOUNDS)) == 20


def test_the_cost_of_a_prompt_follows_the_shape_of_the_model() -> None:
    class _MiniLM:
        hidden_size, intermediate_size = 384, 1536

    class _Large:
        hidden_size, intermediate_size = 1024, 4096

    small, large = cost_of(_MiniLM()), cost_of(_Large())
    assert small.pair > large.pair > 0
    assert small.of(512) > 512
    assert cost_of(object()) == PromptCost()


def test_the_engine_keeps_a_query_apart_from_a_bulk_call(model: Any) -> None:
    engine = Engine(model, EngineConfig(max_num_batched_tokens=2000), "cpu")
    bulk = engine.submit([PreparedInput(token_ids=(n % 9,) * 50) for n in range(400)], OPTIONS)
    query = engine.submit([PreparedInput(token_ids=(3,) * 5)], OPTIONS)
    assert engine.is_hurried
    assert engine.step()
    assert model.batches == [(5,)]
    assert query[0].future.done()
    assert engine.step()
    assert sum(model.batches[1]) < 2000
    while engine.step():
        pass
    assert all(request.future.done() for request in bulk)
    engine.shutdown()


def test_offline_calls_are_never_light(model: Any) -> None:
    engine = Engine(model, EngineConfig(), "cpu")
    engine.submit([PreparedInput(token_ids=(3,) * 5)], OPTIONS, bounded=False)
    assert not engine.is_hurried
    engine.shutdown()


def test_an_engine_beside_a_hurried_one_makes_short_steps(model: Any) -> None:
    engine = Engine(model, EngineConfig(max_num_batched_tokens=2000), "cpu")
    engine.submit([PreparedInput(token_ids=(n % 9,) * 50) for n in range(400)], OPTIONS)
    engine.step(hurried=True)
    assert sum(model.batches[0]) < 2000
    engine.shutdown()
