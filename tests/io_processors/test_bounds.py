"""How much `data` may hold, and how many prompts a processor may make of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from cenote import LLM, AsyncLLM
from cenote.errors import InvalidRequest, ProcessorError
from cenote.io_processors import IOProcessor
from cenote.io_processors.bounds import check_data


def nested(levels: int) -> Any:
    value: Any = "end"
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "data",
    [
        None,
        "a text of any length" * 1000,
        ["text"] * 10,
        [1.5] * 320,
        [[0.5] * 32] * 10,
        [[[0, 255, 0]] * 7] * 10,
        {"a": ["x"] * 10, "b": [{"c": "d"}] * 10, "e": None},
        {str(key): 1 for key in range(80)},
        nested(60),
    ],
    ids=lambda value: str(value)[:30],
)
def test_data_of_usual_size_is_taken(data: Any) -> None:
    check_data(data, 10)


@pytest.mark.parametrize(
    ("data", "param", "text"),
    [
        (["text"] * 11, "data", "data has 11 elements; at most 10 are allowed."),
        ({"a": [{"b": [None] * 11}]}, "data.a.0.b", "data.a.0.b has 11 elements; at most 10 are allowed."),
        ([1] * 10 + ["x"], "data", "data has 11 elements; at most 10 are allowed."),
        ([[1]] * 11, "data", "data has 11 elements; at most 10 are allowed."),
        ([["x"] * 9] * 9, "data", "data has 81 or more elements that are no numbers; at most 80 are allowed."),
        ({str(key): 1 for key in range(81)}, "data", "data has 81 or more elements that are no numbers; at most 80"),
        ([1] * 321, "data", "data has 321 elements; at most 10 are allowed, 320 where they are numbers."),
        ([[1.0] * 150] * 9, "data", "data has 450 or more numbers in lists; at most 320 are allowed."),
    ],
    ids=lambda value: str(value)[:30],
)
def test_data_that_holds_too_much_is_refused(data: Any, param: str, text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_data(data, 10)
    assert str(caught.value).startswith(text)
    assert caught.value.param == param


def test_nesting_is_bounded_too_and_counted_without_recursion() -> None:
    check_data(nested(128), 8192)
    for levels in (129, 100_000):
        with pytest.raises(InvalidRequest, match=r"^data is nested more than 128 levels deep, at data\.0\.0") as caught:
            check_data(nested(levels), 8192)
        assert caught.value.param == "data"
        assert len(str(caught.value)) < 300


class Many(IOProcessor[Any, Any]):
    """As many prompts as the data says, and the number of results."""

    def pre_process(self, prompt, context):
        return [5] * 30 if prompt == "ids" else ["a"] * prompt if isinstance(prompt, int) else ["a"]

    def post_process(self, outputs, context):
        return len(outputs)


@pytest.fixture(scope="module")
def name(offer) -> str:
    return offer(Many)


@pytest.fixture(scope="module")
def llm(name: str, source: str) -> Iterator[AsyncLLM]:
    made = AsyncLLM(source, io_processor_plugin=name)
    yield made
    asyncio.run(made.shutdown())


def test_a_request_makes_as_many_prompts_as_it_may_have_items(llm: AsyncLLM) -> None:
    assert asyncio.run(llm.process(8, max_items=8)) == 8
    assert asyncio.run(llm.process("ids", max_items=8)) == 1  # one prompt of 30 tokens
    before = llm.stats().forwards
    with pytest.raises(ProcessorError) as caught:
        asyncio.run(llm.process(9, max_items=8))
    assert str(caught.value) == (
        "IO processor 'many' of acme 1.0 refused the data: it makes 9 prompts; at most 8 are allowed in a request."
    )
    assert (caught.value.status, caught.value.param, llm.stats().forwards) == (400, "data", before)
    with pytest.raises(InvalidRequest, match=r"^data has 9 elements; at most 8 are allowed\.$"):
        asyncio.run(llm.process(["x"] * 9, max_items=8))


def test_without_a_bound_any_number_is_taken(llm: AsyncLLM, name: str, source: str) -> None:
    assert asyncio.run(llm.process(9)) == 9
    assert asyncio.run(llm.process(["x"] * 9000)) == 1
    with LLM(source, io_processor_plugin=name) as offline:
        (output,) = offline.encode({"data": ["x"] * 9000}, pooling_task="plugin", use_tqdm=False)
        assert output.outputs.data == 1
