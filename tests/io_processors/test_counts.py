"""How many tokens a text has as a prompt of its request: what the processor is told is what the model then reads."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from cenote import LLM, AsyncLLM, PoolingParams
from cenote.io_processors import Encoding, IOProcessor, RequestContext
from cenote.types import TokenizationOptions


class Counts(IOProcessor[Any, Any]):
    """Says how many tokens were promised, and how many the model read."""

    def pre_process(self, prompt, context):
        context.state["promised"] = [context.count_tokens(text) for text in prompt]
        return prompt

    def post_process(self, outputs, context):
        return [context.state["promised"], [len(output.prompt_token_ids) for output in outputs]]


class Fits(IOProcessor[Any, Any]):
    """Cuts a text to what the model takes."""

    def pre_process(self, prompt, context):
        words = prompt.split()
        while context.count_tokens(" ".join(words)) > self.context.limits.max_tokens:
            words.pop()
        return " ".join(words)

    def post_process(self, outputs, context):
        return len(outputs[0].prompt_token_ids)


@pytest.fixture(scope="module")
def names(offer) -> list[str]:
    return [offer(Counts), offer(Fits)]


@pytest.fixture(scope="module")
def blocking(names: list[str], source: str) -> Iterator[LLM]:
    with LLM(source, io_processor_plugin=names) as llm:
        yield llm


@pytest.fixture(scope="module")
def awaited(names: list[str], source: str) -> Iterator[AsyncLLM]:
    llm = AsyncLLM(source, io_processor_plugin=names)
    yield llm
    asyncio.run(llm.shutdown())


@pytest.mark.parametrize("prompt", [None, "Represent this document for retrieval please: "])
@pytest.mark.parametrize("options", [{}, {"add_special_tokens": False}])
def test_a_processor_counts_tokens_as_the_prompts_of_its_request_have_them(
    blocking: LLM, awaited: AsyncLLM, prompt: str | None, options: dict[str, Any]
) -> None:
    texts, params = ["a deep well", "water"], PoolingParams(prompt=prompt)
    (output,) = blocking.encode(
        {"data": texts}, pooling_task="plugin", pooling_params=params, tokenization_kwargs=options, use_tqdm=False
    )
    tokenization = TokenizationOptions(**options)
    answer = asyncio.run(awaited.process(texts, params=params, tokenization=tokenization))
    expected = [(7 if prompt else 0) + words + (0 if options else 2) for words in (3, 1)]
    assert answer == output.outputs.data == [expected, expected]


def test_a_text_that_was_cut_by_the_count_fits_with_the_prompt_of_the_request(blocking: LLM, awaited: AsyncLLM) -> None:
    long, params = "water " * 400, PoolingParams(prompt="Represent this document for retrieval please: ")
    (output,) = blocking.encode(
        {"data": long}, pooling_task="plugin", io_processor="fits", pooling_params=params, use_tqdm=False
    )
    assert output.outputs.data == 256
    cutting = TokenizationOptions(truncate_prompt_tokens=9)  # cuts what the model reads, and not what is counted
    assert asyncio.run(awaited.process(long, processor="fits", params=params)) == 256
    assert asyncio.run(awaited.process(long, processor="fits", params=params, tokenization=cutting)) == 9


def test_contexts_that_were_made_before_there_was_a_count_still_can_be() -> None:
    async def in_thread(function: Any, *arguments: Any) -> Any:
        return function(*arguments)

    context = RequestContext(request_id="r", params=PoolingParams(), encoding=Encoding(), in_thread=in_thread)
    assert context.count_tokens("four") == 4
