"""What each hook may raise or return, and what the caller reads of it; awaited and blocking alike."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict, RootModel

from cenote import LLM, AsyncLLM, PoolingParams
from cenote.errors import (
    EngineClosed,
    InvalidRequest,
    MediaFetchError,
    MediaUnavailable,
    ProcessorBusy,
    ProcessorError,
    ProcessorRefusal,
    PromptTooLong,
    QueueFull,
)
from cenote.io_processors import IOProcessor

Ask = Callable[..., Any]


class Page(BaseModel):
    number: int


class Failing(IOProcessor[Any, Any]):
    """Does in each hook what the data says."""

    def parse_data(self, data):
        return self._do("parse", data)

    def pre_process(self, prompt, context):
        context.state["data"] = prompt
        return self._do("pre", prompt) or "text"

    def merge_pooling_params(self, params, context):
        found = self._do("merge", context.state["data"])
        return super().merge_pooling_params(params, context) if found is None or found == {} else found

    def post_process(self, outputs, context):
        return self._do("post", context.state["data"])

    def _do(self, hook, data):
        if not isinstance(data, dict) or hook not in data:
            return data if hook == "parse" else None
        act = data[hook]
        return act() if callable(act) else act


class FailingAwaited(Failing):
    """The same in the async hooks."""

    async def pre_process_async(self, prompt, context):
        await asyncio.sleep(0)
        return self.pre_process(prompt, context)

    async def post_process_async(self, outputs, context):
        await asyncio.sleep(0)
        return self.post_process(outputs, context)


class Typed(IOProcessor[Any, Any]):
    """Both models."""

    class Request(BaseModel):
        model_config = ConfigDict(extra="forbid")

        pages: list[Page]

    class Response(BaseModel):
        vector: list[float]

    def pre_process(self, prompt, context):
        return [str(page.number) for page in prompt.pages]

    def post_process(self, outputs, context):
        return {"vector": np.ones(2)} if len(outputs) == 1 else {"vectors": len(outputs)}


class Rooted(Typed):
    """A Request that is no mapping."""

    Request = RootModel[list[int]]  # type: ignore[assignment]

    def pre_process(self, prompt, context):
        return [str(number) for number in prompt.root]


@pytest.fixture(scope="module")
def names(offer) -> list[str]:
    return [offer(kind) for kind in (Failing, FailingAwaited, Typed, Rooted)]


@pytest.fixture(scope="module", params=["awaited", "blocking"])
def ask(request: pytest.FixtureRequest, names: list[str], source: str) -> Iterator[Ask]:
    """Ask a processor, over an event loop or without."""
    if request.param == "blocking":
        with LLM(source, io_processor_plugin=names) as llm:
            yield (
                lambda data, name: (
                    llm.encode({"data": data}, pooling_task="plugin", io_processor=name, use_tqdm=False)[0].outputs.data
                )
            )
    else:
        awaiting = AsyncLLM(source, io_processor_plugin=names)
        yield lambda data, name: asyncio.run(awaiting.process(data, processor=name))
        asyncio.run(awaiting.shutdown())


def raising(error: BaseException) -> Callable[[], Any]:
    def act() -> Any:
        raise error

    return act


def cancelled() -> Any:
    raise asyncio.CancelledError


class Stop(BaseException):
    """What no `except Exception` catches."""


class Unspeakable(ValueError):
    """An error that cannot even be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


_DO = "does not offer this: its"
_LOG = "; the log has the reason."


@pytest.mark.parametrize("name", ["failing", "failingawaited"])
@pytest.mark.parametrize(
    ("data", "status", "text"),
    [
        ({"parse": raising(ValueError("no pages"))}, 400, "refused the data: no pages"),
        ({"parse": raising(TypeError("no list"))}, 400, "refused the data: no list"),
        ({"parse": raising(InvalidRequest("no"))}, 400, "refused the data: no"),
        ({"parse": raising(ValueError())}, 400, "refused the data."),
        ({"parse": raising(NotImplementedError("x"))}, 501, f"{_DO} parse_data is not implemented."),
        ({"parse": raising(OSError("/secret"))}, 500, f"failed in parse_data{_LOG}"),
        ({"parse": lambda: Page(number="x")}, 400, "refused the data: data.number: Input should be a valid integer"),  # type: ignore[arg-type]
        ({"pre": raising(ValueError("bad page"))}, 400, "refused the data: bad page"),
        ({"pre": raising(TypeError("secret"))}, 500, f"failed in pre_process{_LOG}"),
        ({"pre": raising(NotImplementedError())}, 501, f"{_DO} pre_process is not implemented."),
        ({"pre": raising(SystemExit(3))}, 500, f"failed in pre_process{_LOG}"),
        ({"pre": raising(StopIteration())}, 500, f"failed in pre_process{_LOG}"),
        ({"pre": raising(Stop())}, 500, f"failed in pre_process{_LOG}"),
        ({"pre": cancelled}, 500, f"failed in pre_process{_LOG}"),
        ({"parse": raising(ValueError("a \ud800"))}, 400, "refused the data: a \\ud800"),
        ({"pre": raising(GeneratorExit())}, 500, f"failed in pre_process{_LOG}"),
        ({"pre": raising(Unspeakable())}, 400, "refused the data."),
        ({"pre": raising(InvalidRequest("p", param={"a": 1}))}, 400, "refused the data: p"),  # type: ignore[arg-type]
        ({"pre": raising(ProcessorError("secret", plugin="a", status=418))}, 500, f"failed in pre_process{_LOG}"),
        ({"pre": raising(ProcessorError("secret", plugin="a", status=400))}, 500, f"failed in pre_process{_LOG}"),
        ({"post": raising(ProcessorError("secret", status=501))}, 501, f"{_DO} post_process is not implemented."),
        ({"post": raising(ProcessorRefusal("mine", plugin="a", status=500))}, 400, "refused the data: mine"),
        ({"pre": raising(EngineClosed("secret"))}, 503, f"cannot work now: it failed in pre_process{_LOG}"),
        ({"post": raising(TimeoutError("secret"))}, 504, f"waited too long for something in post_process{_LOG}"),
        ({"pre": [[5, -1]]}, 500, "returned from pre_process token ids that the model does not know: prompt 0; it"),
        ({"pre": [[5, 10**9]]}, 500, "returned from pre_process token ids that the model does not know: prompt 0; it"),
        ({"pre": [{"prompt_token_ids": [5], "token_type_ids": [7]}]}, 500, "returned from pre_process what is no"),
        ({"pre": 3}, 500, "returned from pre_process what is no prompt: prompts must be a string"),
        ({"pre": ["a", None]}, 500, "returned from pre_process what is no prompt: Prompt 1: A prompt must be"),
        ({"merge": raising(ValueError("secret"))}, 500, f"failed in merge_pooling_params{_LOG}"),
        ({"merge": lambda: PoolingParams(task=5)}, 500, "asked in merge_pooling_params for what cannot be: task must"),  # type: ignore[arg-type]
        ({"merge": PoolingParams(task="odd")}, 500, "asked for a task in merge_pooling_params: This model cannot do"),
        ({"merge": PoolingParams(task="classify")}, 500, "asked for a task in merge_pooling_params: This model cannot"),
        (
            {"merge": PoolingParams(task="embed&odd")},
            500,
            "asked for a task in merge_pooling_params: This model cannot",
        ),
        ({"merge": PoolingParams(dimensions=5)}, 500, "asked for what the model does not take: "),
        ({"merge": 3}, 500, "returned int from merge_pooling_params in place of PoolingParams."),
        ({"post": raising(ValueError("secret"))}, 500, f"failed in post_process{_LOG}"),
        ({"post": raising(InvalidRequest("too many"))}, 400, "refused the data: too many"),
        ({"post": raising(NotImplementedError("x"))}, 501, f"{_DO} post_process is not implemented."),
        ({"post": [1.0, float("nan")]}, 500, "returned a number that is not finite, data.1."),
        ({"post": {"a": np.array([[np.inf]])}}, 500, "returned a number that is not finite, data.a.0.0."),
        ({"post": {"a": [Decimal("NaN")]}}, 500, "returned a number that is not finite, data.a.0."),
        ({"post": {"a": np.datetime64("NaT")}}, 500, "returned a time that is none."),
        ({"post": {"a": 1j}}, 500, "returned a complex number, data.a, which has no form in JSON."),
        ({"post": np.ones(2, np.complex64)}, 500, "returned complex numbers, which have no form in JSON."),
        ({"post": {"a": object()}}, 500, "returned object, which has no form in JSON."),
    ],
)
def test_what_a_hook_raises_names_the_processor_and_hides_what_is_not_for_callers(
    ask: Ask, name: str, data: Any, status: int, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ProcessorError) as caught:
        ask(data, name)
    assert str(caught.value).startswith(f"IO processor {name!r} of acme 1.0 {text}")
    assert "secret" not in str(caught.value)
    assert (caught.value.status, caught.value.plugin, caught.value.distribution) == (status, name, "acme")
    assert isinstance(caught.value, ValueError) == (status == 400)
    assert caught.value.param == ("data" if status == 400 else None)
    is_logged = any(record.exc_info for record in caplog.records)
    assert is_logged == (text.endswith(_LOG) or status == 501)


@pytest.mark.parametrize("name", ["failing", "failingawaited"])
def test_what_may_be_a_mistake_is_logged_though_it_is_a_refusal(
    ask: Ask, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    def heard(data: Any) -> list[tuple[str, bool]]:
        caplog.clear()
        with pytest.raises(ProcessorError):
            ask(data, name)
        mine = [record for record in caplog.records if "acme 1.0" in record.getMessage()]
        assert not any("secret" in record.getMessage() for record in mine)
        return [(record.levelname, record.exc_info is not None) for record in mine]

    caplog.set_level(logging.DEBUG, "cenote.io_processors")
    for data in ({"pre": raising(ValueError("/srv/secret"))}, {"parse": lambda: json.loads("{secret")}):
        assert heard(data) == [("INFO", False), ("DEBUG", True)]
    assert re.search(r"JSONDecodeError at \S+json\S+\.py:\d+ in parse_data is told to the client", caplog.text)
    assert heard({"pre": raising(InvalidRequest("secret"))}) == [("DEBUG", True)]
    caplog.set_level(logging.INFO, "cenote.io_processors")
    assert heard({"pre": raising(InvalidRequest("secret"))}) == []


@pytest.mark.parametrize("name", ["failing", "failingawaited"])
def test_the_models_own_refusals_keep_their_class(ask: Ask, name: str) -> None:
    with pytest.raises(PromptTooLong, match=f"^IO processor {name!r} of acme 1.0, running its prompts: The prompt has"):
        ask({"pre": "a " * 300}, name)


@pytest.mark.parametrize("name", ["failing", "failingawaited"])
def test_a_processor_can_say_that_it_is_busy(ask: Ask, name: str) -> None:
    for given, told in ((7.5, 7.5), (0.0, 1.0), (float("inf"), 1.0), ("soon", 1.0)):
        with pytest.raises(ProcessorBusy) as caught:
            ask({"pre": raising(QueueFull("the scanner has a queue", retry_after=given))}, name)  # type: ignore[arg-type]
        assert str(caught.value) == f"IO processor {name!r} of acme 1.0 is busy: the scanner has a queue"
        assert (caught.value.status, caught.value.retry_after, caught.value.plugin) == (429, told, name)


@pytest.mark.parametrize("name", ["failing", "failingawaited"])
@pytest.mark.parametrize("hook", ["parse", "pre"])
def test_media_that_do_not_come_are_told_with_their_reason(ask: Ask, name: str, hook: str) -> None:
    with pytest.raises(ProcessorRefusal) as refused:
        ask({hook: raising(MediaFetchError("gone"))}, name)
    assert str(refused.value) == f"IO processor {name!r} of acme 1.0 refused the data: gone"
    assert refused.value.status == 422
    with pytest.raises(ProcessorError) as failed:
        ask({hook: raising(MediaUnavailable("too slow"))}, name)
    assert str(failed.value) == f"IO processor {name!r} of acme 1.0 could not load a medium: too slow"
    assert failed.value.status == 500


def test_an_interrupt_is_an_error_like_others_wherever_no_interrupt_of_a_user_arrives(
    ask: Ask, request: pytest.FixtureRequest
) -> None:
    is_blocking = "blocking" in request.node.name
    for name in ("failing", "failingawaited"):
        for hook in ("parse", "pre", "merge", "post"):
            is_users = is_blocking and (name == "failing" or hook in ("parse", "merge"))
            with pytest.raises(KeyboardInterrupt if is_users else ProcessorError) as caught:
                ask({hook: raising(KeyboardInterrupt())}, name)
            assert is_users or f"of acme 1.0 failed in {hook}" in str(caught.value)
    assert ask({"post": 7}, "failing") == 7


def test_millions_of_wrong_elements_are_counted_and_not_listed(ask: Ask) -> None:
    with pytest.raises(ProcessorError) as caught:
        ask({"pages": [5] * 10_001}, "typed")
    assert str(caught.value) == "IO processor 'typed' of acme 1.0 refused the data: 10001 things in it do not fit."
    assert caught.value.param == "data"


@pytest.mark.parametrize("task", [None, "plugin", "token_embed", "embed&token_embed"])
def test_a_processor_may_name_tasks_or_leave_that_to_the_host(ask: Ask, task: str | None) -> None:
    assert ask({"merge": PoolingParams(task=task), "post": 7}, "failing") == 7


def test_data_is_validated_by_the_request_and_answers_by_the_response(ask: Ask) -> None:
    answer = ask({"pages": [{"number": "5"}]}, "typed")
    assert np.array_equal(answer["vector"], [1.0, 1.0])
    assert ask([1], "rooted")["vector"] is not None
    for data, name, text in [
        ({}, "typed", "refused the data: data.pages: Field required."),
        (3, "typed", "refused the data: data: Input should be a valid dictionary or instance of Request."),
        (
            {"pages": [{"number": value} for value in "abcde"]},
            "typed",
            "refused the data: data.pages.0.number: Input should be a valid integer, unable to parse string as an "
            "integer; data.pages.1.number: Input should be a valid integer, unable to parse string as an integer; "
            "data.pages.2.number: Input should be a valid integer, unable to parse string as an integer (and 2 more).",
        ),
        ({"pages": [], "x" * 900: 1}, "typed", f"refused the data: data.{'x' * 195}: Extra inputs are not permitted."),
        (["x"], "rooted", "refused the data: data.0: Input should be a valid integer, unable to parse"),
        ({"pages": []}, "typed", "returned what its Response does not allow: data.vector: Field required."),
    ]:
        with pytest.raises(ProcessorError) as caught:
            ask(data, name)
        assert str(caught.value).startswith(f"IO processor {name!r} of acme 1.0 {text}")
        assert caught.value.status == (400 if text.startswith("refused") else 500)
