"""`AsyncLLM.process` on the real all-MiniLM-L6-v2: what waits for what, and what belongs to whom."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from cenote import AsyncLLM, PoolingParams
from cenote.engine.observer import CallClock
from cenote.errors import EngineClosed, InvalidRequest, ProcessorError
from cenote.io_processors import Encoding, IOProcessor
from cenote.types import Prompt, TokenizationOptions


class Words(IOProcessor[Any, Any]):
    """One prompt per word; the answer is what each request said of itself."""

    def pre_process(self, prompt, context):
        context.state["data"] = prompt
        return prompt.split()

    def post_process(self, outputs, context):
        tokens = [self.context.token_texts(output.prompt_token_ids)[1] for output in outputs]
        return {"data": context.state["data"], "id": context.request_id, "tokens": tokens}


class Facts(IOProcessor[Any, Any]):
    """What reaches a processor."""

    tasks = ("embed&token_embed",)
    role = "document"

    def pre_process(self, prompt, context):
        return [{"prompt": "a b"}, [101, 102]]

    def post_process(self, outputs, context):
        return {
            "tasks": [{name: list(value.shape) for name, value in item.outputs.by_task.items()} for item in outputs],
            "ids": [item.request_id for item in outputs],
            "params": context.params.use_activation,
            "role": context.role,
            "encoding": context.encoding.embed_dtype,
            "deadline": context.deadline,
            "tokens": self.context.count_tokens("a b"),
        }


class OnLoop(IOProcessor[Any, Any]):
    """Awaits what only the loop of the caller gives, in both hooks, and calls the inherited ones."""

    loop: Any = None

    async def pre_process_async(self, prompt, context):
        await asyncio.sleep(0)
        self.loop = asyncio.get_running_loop()
        with pytest.raises(RuntimeError, match="StopIteration"):
            await context.in_thread(next, iter(()))
        return await super().pre_process_async(prompt, context)

    def pre_process(self, prompt, context):
        return [prompt, threading.current_thread().name]

    async def post_process_async(self, outputs, context):
        await asyncio.sleep(0)
        return [len(outputs), self.loop is asyncio.get_running_loop()]


class Waiting(IOProcessor[Any, Any]):
    """Hangs until the test lets it go, or its caller is gone."""

    def __init__(self, context):
        super().__init__(context)
        self.released, self.noticed, self.closed = threading.Event(), threading.Event(), 0
        self.begun: list[str] = []

    def pre_process(self, prompt, context):
        self.begun.append(prompt)
        while not self.released.wait(0.01):
            if context.is_cancelled():
                self.noticed.set()
                if prompt == "until cancelled":
                    break
        return "text"

    def post_process(self, outputs, context):
        return "done"

    def close(self):
        self.closed += 1
        raise RuntimeError("only the log reads this")


class Nothing(IOProcessor[Any, Any]):
    """Needs no model."""

    def pre_process(self, prompt, context):
        return []

    def post_process(self, outputs, context):
        return list(outputs)


@pytest.fixture(scope="module")
def llm(offer, source: str) -> Iterator[AsyncLLM]:
    names = [offer(kind) for kind in (Words, Facts, OnLoop, Waiting, Nothing)]
    made = AsyncLLM(source, io_processor_plugin=names)
    yield made
    made.processor("waiting").processor.released.set()
    asyncio.run(made.shutdown())


def test_a_hundred_requests_at_once_keep_their_data_apart(llm: AsyncLLM) -> None:
    words = ["red", "green", "blue", "big", "small", "old", "new"]
    data = [f"{words[n % 7]} {words[n // 7 % 7]} {n}" for n in range(100)]

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*(llm.process(text, request_id=f"r{n}") for n, text in enumerate(data)))

    for number, answer in enumerate(asyncio.run(all_of_them())):
        assert answer["data"] == data[number]
        assert answer["id"].startswith(f"r{number}-")
        assert answer["tokens"][:2] == data[number].split()[:2]


def test_tasks_of_one_pass_and_everything_that_a_caller_says_reach_a_processor(llm: AsyncLLM) -> None:
    before, deadline = llm.stats().forwards, time.monotonic() + 600
    answer = asyncio.run(
        llm.process(
            {},
            processor="facts",
            params=PoolingParams(use_activation=False),
            role="query",
            encoding=Encoding(embed_dtype="float16"),
            request_id="p",
            deadline=deadline,
        )
    )
    assert llm.stats().forwards == before + 1
    assert answer == {
        "tasks": [{"embed": [384], "token_embed": [4, 384]}, {"embed": [384], "token_embed": [2, 384]}],
        "ids": ["p-0", "p-1"],
        "params": False,
        "role": "query",
        "encoding": "float16",
        "deadline": deadline,
        "tokens": 4,
    }


def test_tokenisation_options_and_limits_hold_for_a_processors_prompts(llm: AsyncLLM) -> None:
    text = "x " * 600
    cut = TokenizationOptions(truncate_prompt_tokens=-1)
    assert asyncio.run(llm.process(text, tokenization=cut, processor="onloop")) == [2, True]
    with pytest.raises(InvalidRequest) as caught:
        asyncio.run(llm.process(text, processor="onloop"))
    assert str(caught.value).startswith("IO processor 'onloop' of acme 1.0, running its prompts: Prompt 0: The prompt")
    assert caught.value.param == "data"


def test_async_hooks_run_on_the_callers_loop_and_inherited_ones_in_a_thread(llm: AsyncLLM) -> None:
    assert asyncio.run(llm.process("text", processor="onloop")) == [2, True]


def test_no_prompts_need_no_model(llm: AsyncLLM) -> None:
    before = llm.stats().forwards
    assert asyncio.run(llm.process("text", processor="nothing")) == []
    assert llm.stats().forwards == before


def test_stages_are_told_in_their_order_with_the_models_clock(llm: AsyncLLM) -> None:
    stages: list[tuple[str, str]] = []
    counts: list[int] = []
    clock = CallClock()
    asyncio.run(
        llm.process(
            "a b",
            clock=clock,
            observe=lambda stage, seconds, outcome: stages.append((stage, outcome)),
            outputs_seen=lambda outputs: counts.append(len(outputs)),
        )
    )
    assert (stages, counts) == ([(stage, "done") for stage in ("parse", "pre", "run", "post")], [2])
    assert clock.begin < clock.tokenized < clock.started < clock.ended
    stages.clear()
    with pytest.raises(ProcessorError):
        asyncio.run(llm.process(3, observe=lambda stage, seconds, outcome: stages.append((stage, outcome))))
    assert stages == [("parse", "done"), ("pre", "failed")]


def test_a_hook_that_blocks_waits_for_the_loop_and_not_the_loop_for_it(llm: AsyncLLM) -> None:
    waiting: Any = llm.processor("waiting").processor

    async def release_while_it_waits() -> Any:
        waiting.released.clear()
        job = asyncio.ensure_future(llm.process("x", processor="waiting"))
        await asyncio.sleep(0)
        waiting.released.set()  # a blocked loop would never come here
        return await job

    assert asyncio.run(release_while_it_waits()) == "done"


def test_a_processor_that_hangs_holds_up_nobody_else_and_notices_that_its_callers_left(llm: AsyncLLM) -> None:
    waiting: Any = llm.processor("waiting").processor

    async def others_meanwhile() -> list[Any]:
        waiting.released.clear()
        waiting.noticed.clear()
        hanging = [asyncio.ensure_future(llm.process("until cancelled", processor="waiting")) for _ in range(9)]
        await asyncio.sleep(0)
        answers = await asyncio.gather(
            llm.process("a b"),
            llm.process("text", processor="onloop"),
            llm.run([Prompt(text="text")], task="embed"),
        )
        with pytest.raises(ProcessorError, match="waited for a free thread of its own, before parse_data, longer than"):
            await llm.process("late", processor="waiting", deadline=time.monotonic() + 0.05)
        for job in hanging:
            job.cancel()
        left = await asyncio.gather(*hanging, return_exceptions=True)
        assert {type(item) for item in left} == {asyncio.CancelledError}
        assert await asyncio.to_thread(waiting.noticed.wait, 60)
        waiting.released.set()
        assert "late" not in waiting.begun
        return [*answers, await llm.process("x", processor="waiting")]

    words, awaited, plain, after = asyncio.run(others_meanwhile())
    assert (words["data"], awaited, after) == ("a b", [2, True], "done")
    assert plain[0].outputs.data.shape == (384,)


def test_a_deadline_ends_a_request_and_tells_the_hook(llm: AsyncLLM) -> None:
    waiting: Any = llm.processor("waiting").processor
    waiting.released.clear()
    waiting.noticed.clear()
    with pytest.raises(ProcessorError) as caught:
        asyncio.run(llm.process("until cancelled", processor="waiting", deadline=time.monotonic() + 0.05))
    assert waiting.noticed.wait(60)
    assert (caught.value.status, caught.value.plugin, caught.value.distribution) == (504, "waiting", "acme")
    text = "IO processor 'waiting' of acme 1.0 took in pre_process longer than the request may; it was cancelled."
    assert str(caught.value) == text
    waiting.released.set()


def test_a_deadline_that_the_model_missed_blames_the_model(llm: AsyncLLM) -> None:
    llm.pause()
    try:
        with pytest.raises(ProcessorError) as caught:
            asyncio.run(llm.process("a b", deadline=time.monotonic() + 0.3))
    finally:
        llm.resume()
    assert (caught.value.status, caught.value.plugin) == (504, "words")
    assert str(caught.value) == (
        "The model did not run the prompts of IO processor 'words' of acme 1.0 in the time of the request; they were "
        "cancelled."
    )


def test_prompts_that_wait_are_cancelled_with_their_request(llm: AsyncLLM) -> None:
    async def leave_the_queue() -> int:
        llm.pause()
        try:
            job = asyncio.ensure_future(llm.process("a b c"))
            while llm.stats().waiting < 3:
                await asyncio.sleep(0.001)
            job.cancel()
            await asyncio.gather(job, return_exceptions=True)
            return llm.stats().waiting
        finally:
            llm.resume()

    assert asyncio.run(leave_the_queue()) == 0


def test_processors_are_found_by_name(llm: AsyncLLM) -> None:
    assert llm.io_processors == ("words", "facts", "onloop", "waiting", "nothing")
    loaded = llm.processor()
    assert (loaded.name, loaded.distribution, loaded.version) == ("words", "acme", "1.0")
    assert loaded.description.startswith("One prompt per word")
    assert (loaded.request_model, loaded.response_model, loaded.examples) == (None, None, ())
    with pytest.raises(InvalidRequest) as caught:
        asyncio.run(llm.process("x", processor="word"))
    text = "There is no IO processor 'word' here. Loaded: words, facts, onloop, waiting, nothing."
    assert (str(caught.value), caught.value.param) == (text, "io_processor")


def test_a_model_without_processors_says_how_to_get_one(source: str) -> None:
    plain = AsyncLLM(source, served_model_name="mini")
    with pytest.raises(InvalidRequest) as caught:
        asyncio.run(plain.process("x"))
    asyncio.run(plain.shutdown())
    assert str(caught.value) == (
        "'mini' runs without an IO processor, so that 'data' means nothing to it. Name one when the model is loaded: "
        "io_processor_plugin=NAME (--io-processor-plugin NAME)."
    )


def test_a_processor_is_closed_once_and_answers_nothing_then(
    offer, source: str, caplog: pytest.LogCaptureFixture
) -> None:
    closing = AsyncLLM(source, io_processor_plugin=[offer(Waiting, "closing"), offer(Nothing, "quiet")])
    processor: Any = closing.processor("closing").processor

    async def shut_twice() -> None:
        await closing.shutdown()
        await closing.shutdown()
        await closing.process("x", processor="quiet")

    with pytest.raises(EngineClosed):
        asyncio.run(shut_twice())
    assert processor.closed == 1
    assert "IO processor 'closing' of acme 1.0 failed in close" in caplog.text
