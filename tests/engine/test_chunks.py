"""Prompts longer than the model's limit: chunked processing and windows, on a model that can be calculated by hand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from concurrent.futures import CancelledError
from types import ModuleType
from typing import Any

import pytest
import torch

from cenote import PoolerConfig
from cenote.config import EngineConfig
from cenote.engine import ComputeLoop, Engine
from cenote.engine.chunks import longest_prompt, mean_of_chunks
from cenote.engine.request import RequestOptions
from cenote.errors import EngineClosed, InvalidRequest, NonFiniteResult, QueueFull
from cenote.types import ModelLimits, PoolingParams, PreparedInput

OPTIONS = RequestOptions(task="embed")
CHUNKED = PoolerConfig(enable_chunked_processing=True)
LIMITS = ModelLimits(max_tokens=100, embedding_size=2, hidden_size=2, max_token_id=1000)


def _long(first: int, count: int = 250) -> PreparedInput:
    return PreparedInput(token_ids=tuple(first + place % 7 for place in range(count)))


def _mean(prompt: PreparedInput) -> float:
    return sum(prompt.token_ids) / len(prompt)


@contextlib.contextmanager
def _engine(model: Any, **options: Any) -> Iterator[Engine]:
    engine = Engine(model, EngineConfig(pooler_config=CHUNKED, max_num_batched_tokens=120, **options), "cpu")
    loop = ComputeLoop()
    loop.join(engine)
    loop.close()
    try:
        yield engine
    finally:
        model.release.set()
        engine.shutdown()


def test_long_prompts_between_short_ones_give_the_mean_over_all_their_tokens(model: Any) -> None:
    prompts = [_long(3), PreparedInput(token_ids=(7, 9)), _long(40, 101), _long(5, 100)]
    with _engine(model) as engine:
        requests = engine.submit(prompts, OPTIONS)
        vectors = [request.future.result(30)["embed"] for request in requests]
        assert [vector[0].item() for vector in vectors] == pytest.approx([_mean(prompt) for prompt in prompts])
        assert engine.stats().tokens == sum(map(len, prompts))
    assert max(max(lengths) for lengths in model.batches) == 100
    assert [len(request.prompt) for request in requests] == [250, 2, 101, 100]


@pytest.mark.parametrize("poison", ["NAN", "CRASH"])
def test_one_bad_chunk_fails_its_prompt_only_and_the_rest_of_it_does_not_run(
    model: Any, plain: ModuleType, poison: str
) -> None:
    bad = PreparedInput(token_ids=(getattr(plain, poison), *range(1, 1000)))
    with _engine(model) as engine:
        engine.pause()
        failing, fine = engine.submit([bad, _long(3)], OPTIONS)
        engine.resume()
        with pytest.raises((NonFiniteResult, RuntimeError)):
            failing.future.result(30)
        assert fine.future.result(30)["embed"][0].item() == pytest.approx(_mean(_long(3)))
    assert engine.stats().waiting == engine.stats().waiting_tokens == 0
    assert sum(len(lengths) for lengths in model.batches) < 13


def test_cancelling_a_long_prompt_takes_its_waiting_chunks_out_of_the_queue(model: Any, plain: ModuleType) -> None:
    blocked = PreparedInput(token_ids=(plain.BLOCK, *[1] * 99))
    with _engine(model) as engine:
        first = engine.submit([blocked], OPTIONS)
        assert model.entered.wait(30)
        requests = engine.submit([_long(3)], OPTIONS)
        assert (engine.stats().waiting, engine.stats().waiting_tokens) == (3, 250)
        engine.cancel(requests)
        assert (engine.stats().waiting, engine.stats().waiting_tokens) == (0, 0)
        with pytest.raises(CancelledError):
            requests[0].future.result(30)
        model.release.set()
        assert first[0].future.result(30)["embed"].shape == (2,)
    assert model.batches == [(100,)]


def test_a_long_prompt_can_be_cancelled_while_its_first_chunk_runs(model: Any, plain: ModuleType) -> None:
    long = PreparedInput(token_ids=(plain.BLOCK, *[1] * 299))
    with _engine(model) as engine:
        engine.pause()
        (request,) = engine.submit([long], OPTIONS)
        engine.resume()
        assert model.entered.wait(30)
        assert request.future.cancel()
        assert engine.stats().waiting == 0
        model.release.set()
        assert engine.submit([_long(3, 4)], OPTIONS)[0].future.result(30)["embed"][0].item() == 4.5
    assert model.batches == [(100,), (4,)]


def test_awaiting_callers_may_leave_a_long_prompt(model: Any, plain: ModuleType) -> None:
    async def leave(engine: Engine) -> None:
        (request,) = engine.submit([PreparedInput(token_ids=(plain.BLOCK, *[1] * 299))], OPTIONS)
        waiting = asyncio.ensure_future(asyncio.wrap_future(request.future))
        assert await asyncio.to_thread(model.entered.wait, 30)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    with _engine(model) as engine:
        asyncio.run(leave(engine))
        assert engine.stats().waiting == 0


def test_shutting_down_fails_a_prompt_with_chunks_that_wait(model: Any) -> None:
    with _engine(model) as engine:
        engine.pause()
        (request,) = engine.submit([_long(3)], OPTIONS)
        engine.shutdown()
        with pytest.raises(EngineClosed):
            request.future.result(30)


def test_the_operators_limits_count_chunks_and_their_tokens(model: Any) -> None:
    with _engine(model, max_num_queued_reqs=4, max_num_queued_tokens=500) as engine:
        engine.pause()
        engine.submit([_long(3)], OPTIONS)
        with pytest.raises(QueueFull):
            engine.submit([_long(3, 150)], OPTIONS)
        with pytest.raises(InvalidRequest, match="has 6 chunks; this server takes at most 4"):
            engine.submit([_long(3, 600)], OPTIONS)
        assert engine.stats().waiting_tokens == 250


def test_windows_over_a_document_give_its_spans_in_order(model: Any) -> None:
    """The plain model's pooler knows no spans, so what the windows hold is looked at."""
    spans = tuple((start, start + 30) for start in range(0, 300, 30))
    prompt = PreparedInput(token_ids=tuple(range(300)), spans=spans)
    engine = Engine(model, EngineConfig(), "cpu")
    engine.submit([prompt], RequestOptions(task="embed", overlap_tokens=25))
    windows = sorted((engine._line.drain()), key=lambda request: request.arrival)
    seen = [[request.prompt.token_ids[start:end] for start, end in request.prompt.spans] for request in windows]
    assert [ids for window in seen for ids in window] == [prompt.token_ids[start:end] for start, end in spans]
    assert [request.prompt.token_ids[0] for request in windows] == [0, 65, 125, 185, 245]
    assert all(request.tokens <= 100 for request in windows)
    engine.shutdown()


@pytest.mark.parametrize(
    ("task", "config", "longest"),
    [
        ("embed", PoolerConfig(), 100),
        ("embed", PoolerConfig(max_embed_len=50), 50),
        ("embed", PoolerConfig(max_embed_len=500), 100),
        ("embed", PoolerConfig(enable_chunked_processing=True, max_embed_len=500), 500),
        ("token_embed", PoolerConfig(enable_chunked_processing=True, max_embed_len=500), 100),
    ],
)
def test_the_longest_prompt_depends_on_task_and_settings(task: str, config: PoolerConfig, longest: int) -> None:
    assert longest_prompt(task, LIMITS, config) == longest


@pytest.mark.parametrize("use_activation", [None, True, False])
def test_a_mean_of_unit_vectors_is_normalised_again_unless_activation_is_off(use_activation: bool | None) -> None:
    vectors = [torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])]
    mean = torch.tensor([0.75, 0.25])
    expected = mean if use_activation is False else mean / mean.norm()
    torch.testing.assert_close(mean_of_chunks(vectors, [300, 100], use_activation), expected)


def test_a_mean_with_one_vector_that_is_not_unit_stays_as_it_is() -> None:
    vectors = [torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.02])]
    torch.testing.assert_close(mean_of_chunks(vectors, [1, 1], True), torch.tensor([0.5, 0.51]))


def test_what_is_pooled_in_one_chunk_keeps_the_rest_of_a_prompt_that_is_left_out(model: Any) -> None:
    engine = Engine(model, EngineConfig(pooler_config=CHUNKED), "cpu")
    prompt = PreparedInput(token_ids=tuple(range(250)), pooling_skip=120, token_type_ids=(0,) * 150 + (1,) * 100)
    engine.submit([prompt], RequestOptions(task="embed", params=PoolingParams(use_activation=False)))
    parts = sorted(engine._line.drain(), key=lambda request: request.arrival)
    assert [part.prompt.pooling_skip for part in parts] == [100, 20, 0]
    assert [sum(part.prompt.token_type_ids or ()) for part in parts] == [0, 50, 50]
    engine.shutdown()
