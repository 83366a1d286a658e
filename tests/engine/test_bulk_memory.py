"""What a call of thousands of prompts keeps while it runs, and of each prompt when it ends."""

from __future__ import annotations

import gc
import pickle
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest
import torch

from cenote.config import EngineConfig, PoolerConfig
from cenote.engine import LLM, Engine
from cenote.engine.bulk import BulkRun
from cenote.engine.progress import TokenProgress
from cenote.engine.request import EngineRequest, RequestOptions
from cenote.outputs.results import OneResult
from cenote.types import PreparedInput, Prompt

COUNT = 6000
#: Prompts that may be on their way at once, and a chunk.
WINDOW = 1024 + 64


@pytest.fixture
def engine(model: Any) -> Iterator[Engine]:
    made = Engine(model, EngineConfig(max_num_batched_tokens=64), "cpu")
    yield made
    made.shutdown()


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Let nothing go but by reference counting."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def _alive(kind: type) -> int:
    return sum(type(each) is kind for each in gc.get_objects())


@pytest.mark.usefixtures("uncollected")
def test_requests_and_what_was_prepared_live_for_a_window_without_the_collector(engine: Engine) -> None:
    before = {kind: _alive(kind) for kind in (PreparedInput, EngineRequest, Future)}
    most = dict.fromkeys(before, 0)

    class Watching(TokenProgress):
        answered = 0

        def done(self, tokens: int) -> None:
            self.answered += 1
            if self.answered % 500 == 0:
                for kind in most:
                    most[kind] = max(most[kind], _alive(kind) - before[kind])

    prompts = [Prompt(token_ids=(n % 800 + 1,) * (n % 7 + 1)) for n in range(COUNT)]
    BulkRun(engine, prompts, [RequestOptions(task="embed")] * COUNT, Watching(False, 0), lambda place, *_: place).run()
    assert 0 < most[EngineRequest] <= WINDOW
    assert 0 < most[PreparedInput] <= WINDOW
    assert most[Future] <= WINDOW + 2 * WINDOW // 64  # each chunk has its own and that of its job
    assert _alive(EngineRequest) == before[EngineRequest]


@pytest.mark.parametrize("is_cancelled", [False, True])
@pytest.mark.usefixtures("uncollected")
def test_a_prompt_that_ran_in_parts_goes_without_the_collector(model: Any, is_cancelled: bool) -> None:
    config = EngineConfig(pooler_config=PoolerConfig(enable_chunked_processing=True), max_num_batched_tokens=120)
    engine = Engine(model, config, "cpu")
    before = {kind: _alive(kind) for kind in (PreparedInput, EngineRequest, Future)}
    requests = engine.submit([PreparedInput(token_ids=(7,) * 250)], RequestOptions(task="embed"))
    assert _alive(EngineRequest) - before[EngineRequest] == 4  # it and its parts
    if is_cancelled:
        engine.cancel(requests)
    while engine.step():
        pass
    assert requests[0].future.cancelled() == is_cancelled
    assert requests[0].future.done()
    del requests
    assert {kind: _alive(kind) for kind in before} == before
    engine.shutdown()


@pytest.fixture(scope="module")
def llm() -> Iterator[LLM]:
    with LLM() as made:
        yield made


def test_a_result_costs_less_than_700_bytes_of_python_beside_its_vector(llm: LLM) -> None:
    ids = [[101, *range(2000 + n % 900, 2010 + n % 900), 102] for n in range(1500)]
    # Python keeps some thousand freed tuples and the like for later; now it has them.
    llm.encode(ids, pooling_task="embed", use_tqdm=False)
    tracemalloc.start()  # slows everything down: the fewer texts, the better
    try:
        outputs = llm.encode(ids, pooling_task="embed", use_tqdm=False)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held / len(outputs) < 700
    assert [output.prompt_token_ids for output in outputs] == ids


def test_vectors_of_a_large_call_are_those_of_small_ones_and_own_their_memory(llm: LLM) -> None:
    texts = [f"text number {n}" for n in range(600)]
    large = llm.encode(texts, pooling_task="embed", use_tqdm=False)
    for place in (0, 255, 256, 599):
        (alone,) = llm.encode(texts[place], pooling_task="embed", use_tqdm=False)
        data = large[place].outputs.data
        torch.testing.assert_close(data, alone.outputs.data, atol=1e-5, rtol=0)
        assert large[place].outputs.by_task["embed"] is data
        assert data.untyped_storage().nbytes() == data.nbytes
        assert pickle.loads(pickle.dumps(large[place])) == large[place]
    assert len({output.request_id for output in large}) == 600


def test_vectors_of_tokens_are_put_aside_too_and_equal_those_of_small_calls(llm: LLM) -> None:
    texts = [f"text number {n}" for n in range(520)]
    large = llm.encode(texts, pooling_task="token_embed", use_tqdm=False)
    for place in (0, 256, 519):
        (alone,) = llm.encode(texts[place], pooling_task="token_embed", use_tqdm=False)
        found = large[place].outputs
        torch.testing.assert_close(found.data, alone.outputs.data, atol=1e-5, rtol=0)
        assert isinstance(found.by_task, OneResult)
        assert found.by_task["token_embed"] is found.data
        assert not found.data.is_inference()
        assert not alone.outputs.data.is_inference()
        assert found.positions == alone.outputs.positions
