"""`LLM.encode({"data": ...}, pooling_task="plugin")` on the real all-MiniLM-L6-v2."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from cenote import LLM, PoolingParams
from cenote.errors import EngineClosed, InvalidRequest, ModelNotFound, UnsupportedTask, WrongType
from cenote.io_processors import IOProcessor
from cenote.outputs import PoolingRequestOutput
from cenote.testing.checkpoints import build_checkpoint


@dataclass
class Counted:
    """A result that says how much of it was cached, as some for vLLM do."""

    threads: list[str]
    num_cached_tokens: int = 3


class Threads(IOProcessor[Any, Any]):
    """Says in which thread each hook ran."""

    def parse_data(self, data):
        return [threading.current_thread().name]

    def pre_process(self, prompt, context):
        context.state["threads"] = [*prompt, threading.current_thread().name]
        return "text"

    def post_process(self, outputs, context):
        return Counted([*context.state["threads"], threading.current_thread().name])


class Loops(IOProcessor[Any, Any]):
    """Keeps what belongs to an event loop from one call to the next."""

    def __init__(self, context):
        super().__init__(context)
        self.lock: Any = None
        self.closed = 0

    async def pre_process_async(self, prompt, context):
        self.lock = self.lock or asyncio.Lock()
        async with self.lock:
            await asyncio.sleep(0)
        return [prompt, await context.in_thread(str.upper, prompt)]

    async def post_process_async(self, outputs, context):
        async with self.lock:
            return [output.outputs.data for output in outputs]

    def close(self):
        self.closed += 1


class Given(IOProcessor[Any, Any]):
    """What reaches a processor."""

    def pre_process(self, prompt, context):
        return [prompt]

    def post_process(self, outputs, context):
        return {
            "params": context.params,
            "role": context.role,
            "precision": context.encoding.output_dtype,
            "tokens": len(outputs[0].prompt_token_ids),
        }


class Media(IOProcessor[Any, Any]):
    """Loads an address."""

    def pre_process(self, prompt, context):
        return self.context.load_media(prompt).decode()

    def post_process(self, outputs, context):
        return self.context.token_texts(outputs[0].prompt_token_ids)


class Once(IOProcessor[Any, Any]):
    """Answers with what can be read only once."""

    def pre_process(self, prompt, context):
        return []

    def post_process(self, outputs, context):
        return {"rows": (number for number in range(3))}


@pytest.fixture(scope="module")
def llm(offer, source: str) -> Iterator[LLM]:
    with LLM(source, io_processor_plugin=[offer(kind) for kind in (Threads, Loops, Given, Media, Once)]) as made:
        yield made


def encode(llm: LLM, data: Any, name: str | None = None, **options: Any) -> PoolingRequestOutput:
    (output,) = llm.encode({"data": data}, pooling_task="plugin", io_processor=name, use_tqdm=False, **options)
    return output


def test_the_answer_is_the_one_output_of_the_call_and_plain_hooks_run_in_the_callers_thread(llm: LLM) -> None:
    output = encode(llm, "x")
    assert (output.request_id, output.prompt_token_ids, output.num_cached_tokens) == ("", [], 3)
    assert output.outputs.data == Counted([threading.current_thread().name] * 3)
    assert repr(output.outputs) == "ProcessedOutput(data=<Counted>)"


def test_an_answer_that_can_be_read_once_is_handed_out_as_it_was_checked(llm: LLM) -> None:
    assert encode(llm, "x", "once").outputs.data == {"rows": [0, 1, 2]}


def test_async_hooks_share_one_loop_also_where_the_caller_has_one_running(llm: LLM) -> None:
    first = encode(llm, "a text", "loops").outputs.data

    async def in_a_notebook() -> Any:
        return encode(llm, "a text", "loops").outputs.data

    again = asyncio.run(in_a_notebook())
    (expected,) = llm.embed("a text", use_tqdm=False)
    for vectors in (first, again):
        assert len(vectors) == 2
        torch.testing.assert_close(vectors[0], torch.tensor(expected.outputs.embedding), atol=1e-6, rtol=0)


def test_everything_that_a_caller_says_reaches_the_processor_and_its_prompts(llm: LLM) -> None:
    said = encode(
        llm,
        "a b c d e",
        "given",
        pooling_params=PoolingParams(use_activation=False),
        prompt="query: ",
        role="query",
        output_dtype="float16",
        tokenization_kwargs={"truncate_prompt_tokens": 4},
    ).outputs.data
    assert said == {
        "params": PoolingParams(use_activation=False, prompt="query: "),
        "role": "query",
        "precision": "float16",
        "tokens": 4,
    }
    with pytest.raises(ModelNotFound, match="There is no low-rank adapter 'tuned'"):
        encode(llm, "a", "given", lora="tuned")


def test_media_are_loaded_as_far_as_the_operator_allows(llm: LLM) -> None:
    assert encode(llm, "data:text/plain;base64,aGVsbG8=", "media").outputs.data == ["[CLS]", "hello", "[SEP]"]
    with pytest.raises(InvalidRequest, match=r"^IO processor 'media' of acme 1\.0 refused the data: "):
        encode(llm, "file:///etc/passwd", "media")


@pytest.mark.parametrize(
    ("prompts", "options", "error", "text"),
    [
        ({"data": None}, {}, InvalidRequest, "An IO processor takes {'data': value}; 'data' is None."),
        (
            {"data": 1, "prompt": "a"},
            {},
            InvalidRequest,
            "An IO processor takes {'data': value}; there is 'prompt' beside 'data'.",
        ),
        (
            [{"data": 1}],
            {},
            InvalidRequest,
            "An IO processor takes one {'data': value} in a call, and no list of them.",
        ),
        (
            "text",
            {},
            WrongType,
            "pooling_task='plugin' takes {'data': value}, for one of the IO processors: threads, loops, given, media, "
            "once. Given: str.",
        ),
        (
            {"data": 1},
            {"pooling_task": "embed"},
            InvalidRequest,
            "A prompt with 'data' goes to an IO processor: pooling_task must be 'plugin', not 'embed'.",
        ),
        (
            {"data": 1},
            {"io_processor": "thread"},
            InvalidRequest,
            "There is no IO processor 'thread' here. Loaded: threads, loops, given, media, once.",
        ),
        (
            "text",
            {"pooling_task": "embed", "io_processor": "given"},
            InvalidRequest,
            "io_processor='given' goes with pooling_task='plugin' and {'data': value}.",
        ),
        ({"data": "a"}, {"output_dtype": "int3"}, InvalidRequest, "output_dtype is 'int3'; it must be"),
        ({"data": "a"}, {"pooling_params": [PoolingParams()] * 2}, InvalidRequest, "pooling_params has 2 entries for"),
    ],
)
def test_a_call_that_fits_no_processor_is_refused(
    llm: LLM, prompts: Any, options: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        llm.encode(prompts, **{"pooling_task": "plugin", "use_tqdm": False, **options})
    assert str(caught.value).startswith(text)


def test_a_model_without_processors_says_so(tmp_path: Path) -> None:
    with LLM(str(build_checkpoint("bert", tmp_path)), served_model_name="tiny") as plain:
        with pytest.raises(InvalidRequest, match=r"^'tiny' runs without an IO processor, .*--io-processor-plugin NAME"):
            encode(plain, "x")
        with pytest.raises(UnsupportedTask, match=r"cannot do task 'plugin'.*It needs an IO processor"):
            plain.encode("text", pooling_task="plugin", use_tqdm=False)


def test_leaving_the_model_closes_its_processors(offer, source: str) -> None:
    with LLM(source, io_processor_plugin=offer(Loops, "left")) as leaving:
        processor: Any = leaving.processor().processor
        encode(leaving, "a text")
        assert processor.closed == 0
    leaving.shutdown()
    assert processor.closed == 1
    with pytest.raises(EngineClosed, match="The engine was shut down"):
        encode(leaving, "a text")
