"""`AsyncLLM` on the real all-MiniLM-L6-v2."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import torch

from cenote import AsyncLLM, AsyncLLMEngine, EngineArgs, PoolingParams
from cenote.checkpoints import find_default_model
from cenote.engine.observer import CallClock
from cenote.errors import InvalidRequest
from cenote.types import Prompt


@pytest.fixture(scope="module")
def llm() -> Iterator[AsyncLLM]:
    made = AsyncLLM(find_default_model().source)
    yield made
    asyncio.run(made.shutdown())


def _prompts(*texts: str) -> list[Prompt]:
    return [Prompt(text=text) for text in texts]


def test_two_callers_share_one_forward_and_no_token_is_padding(llm: AsyncLLM) -> None:
    async def both() -> int:
        llm.pause()
        first = asyncio.ensure_future(llm.run(_prompts("one", "a longer text of several words"), task="embed"))
        second = asyncio.ensure_future(llm.run(_prompts("another"), task="token_embed"))
        while llm.stats().waiting < 3:
            await asyncio.sleep(0.001)
        llm.resume()
        return sum(len(output.prompt_token_ids) for output in [*await first, *await second])

    before = llm.stats()
    tokens = asyncio.run(both())
    after = llm.stats()
    assert after.forwards - before.forwards == 1
    assert after.tokens - before.tokens == tokens


def test_results_are_named_after_the_request(llm: AsyncLLM) -> None:
    outputs = asyncio.run(llm.run(_prompts("a", "b"), task="embed", request_id="embd-7"))
    assert [output.request_id for output in outputs] == ["embd-7-0", "embd-7-1"]


def test_encode_yields_one_result_and_asks_for_tokens_where_no_task_is_named(llm: AsyncLLM) -> None:
    async def collect(params: PoolingParams) -> list[list[int]]:
        return [list(output.outputs.data.shape) async for output in llm.encode("text", params, "id")]

    assert asyncio.run(collect(PoolingParams(task="embed"))) == [[384]]
    assert asyncio.run(collect(PoolingParams())) == [[3, 384]]


def test_an_engine_can_be_made_of_a_set_of_options() -> None:
    args = EngineArgs(model=find_default_model().source, max_model_len=32)
    engine = AsyncLLMEngine.from_engine_args(args)
    assert engine.limits.max_tokens == 32
    assert engine.get_tokenizer().pad_token == "[PAD]"
    asyncio.run(engine.shutdown())


def test_an_invalid_prompt_runs_nothing(llm: AsyncLLM) -> None:
    before = llm.stats().requests
    with pytest.raises(InvalidRequest):
        asyncio.run(llm.run([Prompt(text="good"), Prompt(token_ids=(99999,))], task="embed"))
    assert llm.stats().requests == before


def test_a_task_named_twice_is_answered_once_and_every_result_is_there_by_task(llm: AsyncLLM) -> None:
    (one,) = asyncio.run(llm.run(_prompts("a"), task="embed"))
    (same,) = asyncio.run(llm.run(_prompts("a"), task="embed", also=("embed", "token_embed", "token_embed")))
    assert list(one.outputs.by_task) == ["embed"]
    assert list(same.outputs.by_task) == ["embed", "token_embed"]
    torch.testing.assert_close(one.outputs.by_task["embed"], same.outputs.data, atol=1e-6, rtol=0)


def test_an_unknown_way_with_errors_is_refused(llm: AsyncLLM) -> None:
    with pytest.raises(InvalidRequest, match="on_error must be 'raise' or 'item', not 'items'"):
        asyncio.run(llm.run(_prompts("a"), task="embed", on_error="items"))  # type: ignore[arg-type]


def test_cancelling_a_call_takes_its_prompts_out_of_the_queue(llm: AsyncLLM) -> None:
    async def give_up() -> None:
        llm.pause()
        call = asyncio.ensure_future(llm.run(_prompts("never", "run"), task="embed"))
        while llm.stats().waiting < 2:
            await asyncio.sleep(0.001)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        llm.resume()
        await llm.run(_prompts("other"), task="embed")

    before = llm.stats().requests
    asyncio.run(give_up())
    assert llm.stats().requests == before + 1


@pytest.fixture(scope="module")
def narrow() -> Iterator[AsyncLLM]:
    """Four prompts and 40 tokens may wait."""
    made = AsyncLLM(find_default_model().source, max_num_queued_reqs=4, max_num_queued_tokens=40)
    yield made
    asyncio.run(made.shutdown())


def test_a_call_larger_than_the_queue_enters_bit_by_bit(narrow: AsyncLLM, llm: AsyncLLM) -> None:
    prompts = _prompts(*(f"text number {place}" for place in range(30)))
    clock = CallClock()
    found = asyncio.run(narrow.run(prompts, task="embed", clock=clock))
    expected = asyncio.run(llm.run(prompts, task="embed"))
    assert [output.request_id for output in found] == [f"-{place}" for place in range(30)]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.outputs.data, other.outputs.data, atol=1e-5, rtol=0)
    assert clock.begin < clock.tokenized <= clock.started < clock.ended


def test_both_sides_of_a_score_enter_an_idle_queue_as_one_call(narrow: AsyncLLM, llm: AsyncLLM) -> None:
    queries = [f"a query {place}" for place in range(10)]
    documents = [f"document {place} of some" for place in range(10)]
    for count in (3, 10):
        found = asyncio.run(narrow.score(queries[:count], documents[:count], request_id="s"))
        expected = asyncio.run(llm.score(queries[:count], documents[:count], request_id="s"))
        assert [item.request_id for item in found] == [item.request_id for item in expected]
        assert [item.outputs.score for item in found] == pytest.approx([item.outputs.score for item in expected])


def test_cancelling_a_large_call_empties_its_place(narrow: AsyncLLM) -> None:
    async def leave() -> None:
        narrow.pause()
        call = asyncio.ensure_future(narrow.run(_prompts(*"abcdefghij"), task="embed"))
        while narrow.stats().waiting < 10:
            await asyncio.sleep(0.001)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert narrow.stats().waiting == 0
        narrow.resume()

    asyncio.run(leave())


def test_a_prompt_that_can_never_wait_fails_alone(narrow: AsyncLLM) -> None:
    prompts = _prompts("short", "word " * 60, "also short")
    with pytest.raises(InvalidRequest, match="Prompt 1: The prompt has 62 tokens; this server takes at most 40"):
        asyncio.run(narrow.run(prompts, task="embed"))
    found = asyncio.run(narrow.run(prompts, task="embed", on_error="item"))
    assert [output.error is None for output in found] == [True, False, True]
    with pytest.raises(InvalidRequest, match=r"documents\[1\]: The prompt has 62 tokens"):
        asyncio.run(narrow.score("a", ["b", "word " * 60]))
