"""`POST /pooling` with `data`: IO processors chosen by requests, their errors, limits, schemas and metrics."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import httpx
import jsonschema
import pytest
from openapi_spec_validator import validate
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel, Field

from cenote.engine import AsyncLLM
from cenote.errors import EngineClosed, InvalidRequest, ProcessorError, QueueFull
from cenote.io_processors import IOProcessor, RequestContext
from cenote.outputs import PoolingRequestOutput
from cenote.registry import default_registry
from cenote.server.banner import ready_text

JSON = {"Content-Type": "application/json"}


class Item(BaseModel):
    """One text; the other processor has another model of this name."""

    text: str


class Norms(IOProcessor[list[str], dict[str, Any]]):
    """Gives the length of the vector of each text, and tells what it heard of the request."""

    class Request(BaseModel):
        """Texts, or objects with a text."""

        texts: list[str | Item] = Field(min_length=1)

    class Response(BaseModel):
        """What came of them."""

        norms: list[float]
        heard: dict[str, Any]

    examples: ClassVar[Sequence[Any]] = ({"texts": ["a natural pit"]}, {"texts": [{"text": "a"}, "b"]})

    def parse_data(self, data: Norms.Request) -> list[str]:
        return [item if isinstance(item, str) else item.text for item in data.texts]

    def pre_process(self, prompt: list[str], context: RequestContext) -> list[str]:
        context.state["thread"] = threading.current_thread() is threading.main_thread()
        return prompt

    def post_process(self, outputs: Sequence[PoolingRequestOutput], context: RequestContext) -> dict[str, Any]:
        encoding = context.encoding
        heard = {
            "id": context.request_id,
            "role": context.role,
            "activation": context.params.use_activation,
            "dimensions": context.params.dimensions,
            "encoding": [encoding.encoding_format, encoding.embed_dtype, encoding.endianness, encoding.output_dtype],
            "lengths": [len(output.prompt_token_ids) for output in outputs],
        }
        return {"norms": [float(output.outputs.data.norm()) for output in outputs], "heard": heard}


class Any_(IOProcessor[Any, Any]):
    """Takes any JSON and gives it back; some words make it fail in one way or another."""

    Request = None
    started: ClassVar[threading.Event] = threading.Event()
    gone: ClassVar[threading.Event] = threading.Event()

    class Item(BaseModel):
        number: int

    def parse_data(self, data: Any) -> Any:
        errors: dict[str, BaseException] = {
            "value": ValueError("blue is no number"),
            "type": TypeError("a color is no list"),
            "param": InvalidRequest("blue is no color", param="data.color"),
            "absent": NotImplementedError("/secret/color"),
            "broken": RuntimeError("/secret/file broke"),
            "interrupt": KeyboardInterrupt("/secret/interrupt"),
            "thrown away": GeneratorExit("/secret/exit"),
            "own": ProcessorError("/secret/own", plugin="other", status=418),
            "odd param": InvalidRequest("odd", param={"a": object()}),  # type: ignore[arg-type]
            "busy": QueueFull("the scanner has a queue", retry_after=7),
            "closed": EngineClosed("/secret/backend"),
            "slow": TimeoutError("/secret/backend"),
        }
        if isinstance(data, str) and data in errors:
            raise errors[data]
        return data

    async def pre_process_async(self, prompt: Any, context: RequestContext) -> list[str]:
        if prompt == "hang":
            Any_.started.set()
            try:
                await asyncio.Event().wait()
            finally:
                Any_.gone.set()
        if prompt == "no prompt":
            return [1.5]  # type: ignore[list-item]
        context.state["data"] = prompt
        if prompt == "interrupt later":
            raise KeyboardInterrupt
        many = {"long": ["word " * 2000], "nothing": [], "many": ["a"] * 9, "ids": [[10**9]]}
        return many.get(prompt, ["a"]) if isinstance(prompt, str) else ["a"]  # type: ignore[return-value]

    def pre_process(self, prompt: Any, context: RequestContext) -> list[str]:
        raise AssertionError("the awaitable variant goes first")

    def post_process(self, outputs: Sequence[PoolingRequestOutput], context: RequestContext) -> Any:
        data = context.state["data"]
        if data == "late":
            raise ValueError("/secret/post broke")
        return {"nan": float("nan"), "large": 2**70, "object": object()}.get(str(data), data)


class Stubborn(IOProcessor[Any, Any]):
    """Blocks its threads until the test lets go, and cannot be cancelled."""

    release: ClassVar[threading.Event] = threading.Event()

    def pre_process(self, prompt: Any, context: RequestContext) -> list[str]:
        Stubborn.release.wait(30)
        return ["a"]

    def post_process(self, outputs: Sequence[PoolingRequestOutput], context: RequestContext) -> Any:
        return None


class Rows(IOProcessor[Any, Any]):
    """Has models of the same names as others, and works with classifiers only."""

    class Request(BaseModel):
        items: list[Item2]

    tasks = ("classify",)

    def pre_process(self, prompt: Any, context: RequestContext) -> list[str]:
        return ["a"]

    def post_process(self, outputs: Sequence[PoolingRequestOutput], context: RequestContext) -> Any:
        return len(outputs)


class Item2(BaseModel):
    """Differs from the first."""

    model_config = {"title": "Item"}

    number: int


Item2.__name__ = Item2.__qualname__ = "Item"
Rows.Request.model_rebuild()
KINDS: dict[str, type[IOProcessor[Any, Any]]] = {
    "norms": Norms, "any": Any_, "stubborn": Stubborn, "rows": Rows,
}  # fmt: skip


@pytest.fixture(scope="module")
def offered() -> Iterator[None]:
    """Offer the processors of this file while its tests run."""
    with contextlib.ExitStack() as stack:
        for name, kind in KINDS.items():
            undo = default_registry().register(
                "cenote.io_processors", name, kind, distribution="cenote-acme", version="0.1.0"
            )
            stack.callback(undo)
        yield


@pytest.fixture(scope="module")
def processing(offered: None, model_folder: Path) -> Iterator[AsyncLLM]:
    engine = AsyncLLM(str(model_folder), served_model_name="m", io_processor_plugin=["norms", "any", "stubborn"])
    yield engine
    Stubborn.release.set()
    asyncio.run(engine.shutdown())


@pytest.fixture(scope="module")
def api(processing: AsyncLLM, start_server: Any) -> Iterator[httpx.Client]:
    with start_server(engine=processing, names=("m",)) as running:
        with httpx.Client(base_url=running.url, timeout=60) as client:
            yield client


def ask(client: httpx.Client, data: Any, **more: Any) -> httpx.Response:
    return client.post("/pooling", json={"data": data, **more})


def error(answer: httpx.Response) -> tuple[int, str, str | None, str]:
    found = answer.json()["error"]
    assert found["code"] == answer.status_code
    return answer.status_code, found["type"], found["param"], found["message"]


def test_data_is_answered_by_the_first_processor(api: httpx.Client) -> None:
    answer = ask(api, {"texts": ["a natural pit", {"text": "a"}]})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {"request_id", "created_at", "data"}
    assert body["request_id"] == f"pooling-{answer.headers['x-request-id']}"
    assert isinstance(body["created_at"], int)
    assert body["data"]["norms"] == pytest.approx([1, 1], abs=1e-5)
    assert body["data"]["heard"]["lengths"] == [5, 3]


def test_parameters_role_encoding_and_id_reach_the_processor(api: httpx.Client) -> None:
    fields = {
        "use_activation": False,
        "input_type": "query",
        "encoding_format": "base64",
        "embed_dtype": "float16",
        "endianness": "big",
        "truncate_prompt_tokens": 3,
        "task": "plugin",
        "request_id": "seven",
        "model": "m",
        "user": "somebody",
    }
    body = ask(api, {"texts": ["a natural pit"]}, **fields).json()
    assert body["request_id"] == "pooling-seven"
    assert body["data"]["heard"].pop("id").startswith("pooling-seven-")
    assert body["data"]["heard"] == {
        "role": "query",
        "activation": False,
        "dimensions": None,
        "encoding": ["base64", "float16", "big", None],
        "lengths": [3],
    }
    assert body["data"]["norms"][0] != pytest.approx(1, abs=1e-3)
    heard = ask(api, {"texts": ["a"]}, output_dtype="int8").json()["data"]["heard"]
    assert heard["encoding"] == ["float", "float32", "native", "int8"]


@pytest.mark.parametrize("data", [0, False, "", "text", [], {}, [None, [1.5]], {"a": {"b": None}}])
def test_each_request_may_choose_another_processor_and_any_json_may_be_data(api: httpx.Client, data: Any) -> None:
    assert ask(api, data, io_processor="any").json()["data"] == data


def test_invocations_dispatches_data_as_well(api: httpx.Client) -> None:
    answer = api.post("/invocations", json={"data": {"texts": ["a"]}})
    assert answer.json()["data"]["norms"] == pytest.approx([1], abs=1e-5)
    assert api.post("/invocations", json={"data": 5, "io_processor": "any"}).json()["data"] == 5
    with_input = api.post("/invocations", json={"data": 5, "input": "a"}).json()
    assert len(with_input["data"][0]["embedding"]) == 384


REFUSED: list[tuple[dict[str, Any], str | None, str]] = [
    (
        {"data": None},
        "input",
        "The body has neither input nor messages, nor data for an IO processor; send one of them.",
    ),
    (
        {"data": 1, "input": "a"},
        "data",
        "The body has both data and input; send data for an IO processor, or input for the model.",
    ),
    ({"data": 1, "messages": []}, "data", "The body has both data and messages; send data for an IO processor, or"),
    ({"data": 1, "task": "embed"}, "task", "A body with data runs the task 'plugin'; leave task out, or send input"),
    ({"data": 1, "on_error": "item"}, "on_error", "on_error is not offered with data: its answer is one."),
    ({"data": 1, "outputs": ["dense"]}, "outputs", "outputs is not offered with data: the IO processor decides"),
    (
        {"data": 1, "io_processor": "none"},
        "io_processor",
        "There is no IO processor 'none'. Selected: norms, any, stub",
    ),
    (
        {"data": 1, "output_dtype": "int8", "embed_dtype": "uint8"},
        "embed_dtype",
        "output_dtype is int8 and embed_dtype",
    ),
    ({"data": 1, "truncate_prompt_tokens": 9999}, "truncate_prompt_tokens", "truncate_prompt_tokens is 9999, but"),
    ({"data": 1, "input_type": "blue"}, "input_type", "input_type must be one of query"),
    ({"data": 1, "cache_salt": "a/b"}, "cache_salt", "cache_salt must have"),
]


@pytest.mark.parametrize(("body", "param", "text"), REFUSED, ids=lambda value: str(value)[:40])
def test_bodies_that_cannot_be_meant_are_refused(
    api: httpx.Client, body: dict[str, Any], param: str | None, text: str
) -> None:
    status, kind, found, message = error(api.post("/pooling", json=body))
    assert (status, kind, found) == (400, "BadRequestError", param)
    assert message.startswith(text)


def test_fields_of_wrong_types_are_named_and_unknown_models_are_404(api: httpx.Client) -> None:
    for field, value in {"io_processor": 5, "priority": "high", "use_activation": "yes", "model": 1}.items():
        status, kind, param, _ = error(ask(api, 1, **{field: value}))
        assert (status, kind, param) == (400, "Bad Request", f"body.ProcessedRequest.{field}")
    assert error(ask(api, 1, model="other"))[:3] == (404, "NotFoundError", None)


@pytest.mark.parametrize(
    ("data", "paths"),
    [
        ({"texts": "a"}, ["data.texts: Input should be a valid list"]),
        ({}, ["data.texts: Field required"]),
        ({"texts": []}, ["data.texts: List should have at least 1 item"]),
        ({"texts": [{"text": 5}]}, ["data.texts.0.str: ", "data.texts.0.Item.text: Input should be a valid string"]),
        (["a"], ["data: Input should be a valid dictionary or instance of Request"]),
    ],
)
def test_data_that_does_not_fit_the_request_model_is_listed_by_path(
    api: httpx.Client, data: Any, paths: list[str]
) -> None:
    status, kind, param, message = error(ask(api, data))
    assert (status, kind, param) == (400, "BadRequestError", paths[0].partition(":")[0])
    assert message.startswith("IO processor 'norms' of cenote-acme 0.1.0 refused the data: ")
    assert all(path in message for path in paths), message


WHO = "IO processor 'any' of cenote-acme 0.1.0"
RAISED = {
    "value": (400, "BadRequestError", "data", f"{WHO} refused the data: blue is no number"),
    "type": (400, "BadRequestError", "data", f"{WHO} refused the data: a color is no list"),
    "param": (400, "BadRequestError", "data.color", f"{WHO} refused the data: blue is no color"),
    "absent": (501, "NotImplementedError", None, f"{WHO} does not offer this: its parse_data is not implemented."),
    "broken": (500, "InternalServerError", None, f"{WHO} failed in parse_data; the log has the reason."),
    "interrupt": (500, "InternalServerError", None, f"{WHO} failed in parse_data; the log has the reason."),
    "interrupt later": (500, "InternalServerError", None, f"{WHO} failed in pre_process; the log has the reason."),
    "thrown away": (500, "InternalServerError", None, f"{WHO} failed in parse_data; the log has the reason."),
    "own": (500, "InternalServerError", None, f"{WHO} failed in parse_data; the log has the reason."),
    "odd param": (400, "BadRequestError", "data", f"{WHO} refused the data: odd"),
    "busy": (429, "TooManyRequestsError", None, f"{WHO} is busy: the scanner has a queue"),
    "closed": (
        503,
        "ServiceUnavailableError",
        None,
        f"{WHO} cannot work now: it failed in parse_data; the log has the",
    ),
    "slow": (504, "GatewayTimeoutError", None, f"{WHO} waited too long for something in parse_data; the log has the"),
    "ids": (500, "InternalServerError", None, f"{WHO} returned from pre_process token ids that the model does not"),
    "late": (500, "InternalServerError", None, f"{WHO} failed in post_process; the log has the reason."),
    "no prompt": (500, "InternalServerError", None, f"{WHO} returned from pre_process what is no prompt: "),
    "nan": (500, "InternalServerError", None, f"{WHO} returned a number that is not finite, data."),
    "object": (500, "InternalServerError", None, f"{WHO} returned object, which has no form in JSON."),
    "large": (500, "InternalServerError", None, f"{WHO} returned what JSON cannot hold: Integer exceeds 64-bit range."),
    "long": (400, "BadRequestError", "data", f"{WHO}, running its prompts: The prompt has at least 284 tokens, but "),
}


@pytest.mark.parametrize("data", RAISED)
def test_what_a_processor_raises_becomes_a_clean_status_that_names_it(
    api: httpx.Client, data: str, server_log: pytest.LogCaptureFixture
) -> None:
    *expected, text = RAISED[data]
    answer = ask(api, data, io_processor="any")
    status, kind, param, message = error(answer)
    assert [status, kind, param] == expected, message
    assert message.startswith(text)
    assert "/secret" not in message
    assert answer.headers.get("retry-after") == ("7" if data == "busy" else None)
    if data in ("broken", "late", "own"):
        assert "/secret" in server_log.text
    assert ask(api, "fine", io_processor="any").json()["data"] == "fine"


def test_a_processor_may_need_nothing_of_the_model(api: httpx.Client) -> None:
    assert ask(api, "nothing", io_processor="any").json()["data"] == "nothing"


def test_five_megabytes_of_data_are_taken_and_more_than_the_limit_is_413(
    api: httpx.Client, processing: AsyncLLM, start_server: Any
) -> None:
    data = {"page": "x" * 5_000_000, "rows": [[1.5, None]] * 1000}
    assert ask(api, data, io_processor="any").json()["data"] == data
    with start_server(engine=processing, max_body_bytes=1000) as running:
        answer = httpx.post(running.url + "/pooling", json={"data": "x" * 2000})
        assert error(answer)[:2] == (413, "Payload Too Large")


def test_data_and_prompts_are_bounded_by_the_items_that_a_request_may_have(
    processing: AsyncLLM, start_server: Any
) -> None:
    with start_server(engine=processing, max_items_per_request=8) as running:
        with httpx.Client(base_url=running.url, timeout=60) as client:
            assert ask(client, {"texts": ["a"] * 8}).status_code == 200
            image = [[[0.5, 1, 2]] * 5] * 3  # numbers count for less
            assert ask(client, image, io_processor="any").json()["data"] == image
            for data, name, param, text in [
                (
                    {"texts": [1] * 2000},
                    "norms",
                    "data.texts",
                    "data.texts has 2000 elements; at most 8 are allowed, 256",
                ),
                ({"texts": ["a"] * 9}, "norms", "data.texts", "data.texts has 9 elements; at most 8 are allowed."),
                (["a"] * 9, "any", "data", "data has 9 elements; at most 8 are allowed."),
                ("many", "any", "data", f"{WHO} refused the data: it makes 9 prompts; at most 8 are allowed in a"),
            ]:
                status, kind, found, message = error(ask(client, data, io_processor=name))
                assert (status, kind, found) == (400, "BadRequestError", param), message
                assert message.startswith(text)


def test_two_million_wrong_elements_are_refused_before_a_model_complains_of_each(api: httpx.Client) -> None:
    content = b'{"data": {"texts": [' + b"1," * 2_000_000 + b"1]}}"
    status, _, param, message = error(api.post("/pooling", content=content, headers=JSON))
    assert (status, param) == (400, "data.texts")
    assert message == "data.texts has 2000001 elements; at most 8192 are allowed, 262144 where they are numbers."


def test_threads_that_hooks_never_give_back_are_replaced_counted_and_at_last_refused(
    offered: None, model_folder: Path, start_server: Any
) -> None:
    Stubborn.release.clear()
    engine = AsyncLLM(str(model_folder), io_processor_plugin=["stubborn", "norms"])
    lost = 'cenote:io_processor_lost_threads{model_name="m",processor="stubborn"} '
    with start_server(engine=engine, names=("m",), request_timeout=1.0) as running:
        with httpx.Client(base_url=running.url, timeout=60) as client:
            assert f"{lost}0.0" in client.get("/metrics").text
            for count in (4, 8, 12, 16):
                with ThreadPoolExecutor(4) as pool:  # as many as run at a time
                    answers = [error(answer) for answer in pool.map(lambda _: ask(client, 1), range(4))]
                assert [answer[0] for answer in answers] == [504] * 4
                for answer in answers:
                    assert "took in pre_process longer than the request may" in answer[3]  # and so had a thread
                assert f"{lost}{count}.0" in client.get("/metrics").text
            status, _, _, message = error(ask(client, 1))
            assert status == 503
            assert "16 of its calls never ended" in message
            assert ask(client, {"texts": ["a"]}, io_processor="norms").status_code == 200
            Stubborn.release.set()
            while f"{lost}0.0" not in client.get("/metrics").text:
                pass
            assert ask(client, 1).json()["data"] is None
    asyncio.run(engine.shutdown())


def test_bodies_that_are_no_json_are_refused(api: httpx.Client) -> None:
    for content in (b'{"data": ', b"[]", b'{"data": NaN}', b""):
        assert api.post("/pooling", content=content, headers=JSON).status_code == 400
    assert api.post("/pooling", content=b'{"data": 1}').status_code == 400


def test_a_processor_that_hangs_costs_its_own_request_only(processing: AsyncLLM, start_server: Any) -> None:
    Stubborn.release.clear()
    with start_server(engine=processing, request_timeout=0.3) as running:
        with httpx.Client(base_url=running.url, timeout=60) as client:
            for name in ("any", "stubborn"):
                status, kind, _, message = error(ask(client, "hang", io_processor=name))
                assert (status, kind) == (504, "GatewayTimeoutError"), message
            assert ask(client, {"texts": ["a"]}).status_code == 200
            assert client.post("/v1/embeddings", json={"input": "a"}).status_code == 200


def test_a_client_that_leaves_cancels_the_hook(api: httpx.Client) -> None:
    Any_.started.clear()
    Any_.gone.clear()
    with contextlib.suppress(httpx.ReadTimeout):
        httpx.post(api.base_url.join("/pooling"), json={"data": "hang", "io_processor": "any"}, timeout=0.5)
    assert Any_.started.wait(20)
    assert Any_.gone.wait(20)


def test_data_needs_the_key_and_is_refused_while_the_server_drains(processing: AsyncLLM, start_server: Any) -> None:
    with start_server(engine=processing, api_keys=("secret",)) as running:
        body = {"data": {"texts": ["a"]}}
        assert httpx.post(running.url + "/pooling", json=body).status_code == 401
        key = {"Authorization": "Bearer secret"}
        assert httpx.post(running.url + "/pooling", json=body, headers=key).status_code == 200
        running.state.in_flight += 1  # or it would stop at once
        running.state.draining = True
        assert httpx.post(running.url + "/pooling", json=body, headers=key).status_code == 503
        running.state.in_flight -= 1


def test_a_server_without_processors_says_how_to_select_one(server: Any) -> None:
    status, kind, param, message = error(httpx.post(server.url + "/pooling", json={"data": 1}))
    assert (status, kind, param) == (400, "BadRequestError", "data")
    assert message == (
        "A body with data goes to an IO processor, and this server has none. Select one with --io-processor-plugin "
        "NAME when the server starts ('cenote plugins' lists what is installed), or send input or messages."
    )


def test_several_models_are_chosen_by_name_or_by_processor(
    engine: AsyncLLM, processing: AsyncLLM, start_server: Any
) -> None:
    with start_server(engine={"plain": engine, "m": processing}) as running:
        with httpx.Client(base_url=running.url, timeout=60) as client:
            assert ask(client, {"texts": ["a"]}).status_code == 200
            assert ask(client, 7, io_processor="any", model="m").json()["data"] == 7
            assert ask(client, 7, io_processor="any").json()["data"] == 7
            assert error(ask(client, 7, io_processor="any", model="plain")) == (
                400,
                "BadRequestError",
                "model",
                "The model 'plain' has no IO processor 'any'; its own: none. Name another model, or leave it out.",
            )
            assert "has no IO processor; its own: none." in error(ask(client, 7, model="plain"))[3]


def test_the_banner_names_the_processors_and_an_example_that_works(processing: AsyncLLM, start_server: Any) -> None:
    with start_server(engine=processing, names=("m",)) as running:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            banner = ready_text(running.state, [listening], examples=True)
            address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        assert "\n  data      IO processors: norms (default), any, stubborn\n" in banner
        [line] = [line for line in banner.splitlines() if '"data"' in line]
        command = shlex.split(line.replace(address, running.url))
        assert "norms" in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def samples(client: httpx.Client, name: str, *more: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(sample.labels[label] for label in ("model_name", "processor", "stage", *more)): sample.value
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
        if sample.name == name
    }


def test_the_stages_of_processors_are_timed_and_their_failures_counted(processing: AsyncLLM, start_server: Any) -> None:
    with start_server(engine=processing, names=("m",)) as running:
        with httpx.Client(base_url=running.url, timeout=60) as client:
            ask(client, {"texts": ["a", "b c"]})
            ask(client, {"texts": 5})
            ask(client, "late", io_processor="any")
            ask(client, 1, io_processor="invented")
            ask(client, "busy", io_processor="any")
            ask(client, "long", io_processor="any")
            counts = samples(client, "cenote:io_processor_seconds_count")
            errors = samples(client, "cenote:io_processor_errors_total", "outcome")
            metrics = client.get("/metrics").text
    norms = {("m", "norms", stage): 2.0 if stage == "parse" else 1.0 for stage in ("parse", "pre", "run", "post")}
    both = {"parse": 3.0, "pre": 2.0, "run": 2.0, "post": 1.0}
    assert counts == norms | {("m", "any", stage): count for stage, count in both.items()}
    assert errors == {
        ("m", "norms", "parse", "refused"): 1.0,
        ("m", "any", "parse", "refused"): 1.0,
        ("m", "any", "run", "refused"): 1.0,
        ("m", "any", "post", "failed"): 1.0,
    }
    assert 'cenote:prompt_tokens_total{model_name="m",task="plugin"} 7.0' in metrics
    assert 'cenote:request_success_total{finished_reason="error",model_name="m",task="plugin"} 4.0' in metrics


def test_a_deadline_and_a_client_that_leaves_do_not_count_as_failures(processing: AsyncLLM, start_server: Any) -> None:
    def errors(client: httpx.Client) -> dict[tuple[str, ...], float]:
        return samples(client, "cenote:io_processor_errors_total", "outcome")

    with start_server(engine=processing, names=("m",), request_timeout=0.3) as running:
        with httpx.Client(base_url=running.url, timeout=60) as client:
            assert ask(client, "hang", io_processor="any").status_code == 504
            assert errors(client) == {("m", "any", "pre", "late"): 1.0}
    with start_server(engine=processing, names=("m",)) as running:
        with httpx.Client(base_url=running.url, timeout=60) as client:
            with contextlib.suppress(httpx.ReadTimeout):
                client.post("/pooling", json={"data": "hang", "io_processor": "any"}, timeout=0.5)
            while not errors(client):
                pass
            assert errors(client) == {("m", "any", "pre", "cancelled"): 1.0}


def test_models_with_the_same_processor_are_told_apart(
    processing: AsyncLLM, model_folder: Path, start_server: Any
) -> None:
    other = AsyncLLM(str(model_folder), io_processor_plugin="norms")
    with start_server(engine={"first": processing, "second": other}) as running:
        with httpx.Client(base_url=running.url, timeout=60) as client:
            for model in ("first", "second", "second"):
                assert ask(client, {"texts": ["a"]}, model=model).status_code == 200
            found = samples(client, "cenote:io_processor_seconds_count")
            threads = client.get("/metrics").text
    asyncio.run(other.shutdown())
    assert {model: found[model, "norms", "post"] for model in ("first", "second")} == {"first": 1.0, "second": 2.0}
    assert 'cenote:io_processor_lost_threads{model_name="second",processor="norms"} 0.0' in threads


def check(value: Any, schema: dict[str, Any], document: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(value)


def test_the_document_has_a_form_for_each_processor(api: httpx.Client) -> None:
    document = api.get("/openapi.json").json()
    validate(document)
    operation = document["paths"]["/pooling"]["post"]
    body = operation["requestBody"]["content"]["application/json"]
    reply = operation["responses"]["200"]["content"]["application/json"]["schema"]
    titles = [form.get("title") for form in body["schema"]["oneOf"]]
    assert titles == ["PoolingRequest", "IO processor norms", "IO processor any", "IO processor stubborn"]
    assert body["schema"]["oneOf"][1]["description"].startswith("Gives the length of the vector of each text")
    fits: list[dict[str, Any]] = [
        {"input": "a"},
        {"data": {"texts": ["a"]}},
        {"data": {"texts": ["a"]}, "io_processor": "norms"},
        {"data": {"texts": [{"text": "a"}]}, "task": "plugin"},
        {"data": [5], "io_processor": "any"},
    ]
    for each in fits:
        check(each, body["schema"], document)
        answer = api.post("/pooling", json=each)
        assert answer.status_code == 200
        check(answer.json(), reply, document)
    for wrong in ({"data": {"texts": 5}}, {"data": {"texts": [{"text": 5}]}}, {"data": 1, "io_processor": "none"}):
        with pytest.raises(jsonschema.ValidationError):
            check(wrong, body["schema"], document)
    shown = {name: example["value"] for name, example in body["examples"].items()}
    assert shown["IO processor norms"] == {"data": {"texts": ["a natural pit"]}}
    assert shown["IO processor norms, 2"] == {"data": {"texts": [{"text": "a"}, "b"]}}
    for example in shown.values():
        check(example, body["schema"], document)
        assert api.post("/pooling", json=example).status_code == 200


def test_models_of_one_name_stay_apart_in_the_document(
    processing: AsyncLLM, classifier: AsyncLLM, start_server: Any
) -> None:
    with start_server(engine={"m": processing, "labels": classifier}) as running:
        document = httpx.get(running.url + "/openapi.json").json()
        answer = httpx.post(running.url + "/pooling", json={"data": {"items": [{"number": 1}]}, "io_processor": "rows"})
        assert answer.json()["data"] == 1
    validate(document)
    schema = document["paths"]["/pooling"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    check({"data": {"items": [{"number": 1}]}, "io_processor": "rows"}, schema, document)
    check({"data": {"texts": [{"text": "a"}]}}, schema, document)
    with pytest.raises(jsonschema.ValidationError):
        check({"data": {"items": [{"text": "a"}]}, "io_processor": "rows"}, schema, document)


@pytest.fixture(scope="module")
def classifier(offered: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AsyncLLM]:
    from cenote.testing.checkpoints import build_checkpoint

    folder = build_checkpoint("bert_classifier", tmp_path_factory.mktemp("labels"))
    engine = AsyncLLM(str(folder), io_processor_plugin="rows")
    yield engine
    asyncio.run(engine.shutdown())
