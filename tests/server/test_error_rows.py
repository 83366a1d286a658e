"""Every row of the contract's table of errors (http-api.md section 9), in both forms of the body.

Where the contract proposes something of its own ([C]), that is what is expected: the envelope for unknown routes, wrong
verbs and missing keys, and 429 instead of 503 for a full queue. Rows about media are in test_bad_media.py.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from cenote.engine import AsyncLLM
from cenote.io_processors import IOProcessor, RequestContext
from cenote.registry import default_registry
from cenote.testing.checkpoints import build_checkpoint

EMBED, POOL, CLASSIFY = "/v1/embeddings", "/pooling", "/classify"
JSON = {"Content-Type": "application/json"}
CHAT = [{"role": "user", "content": "a"}]
KEYS = {"message", "type", "param", "code"}


@dataclass
class Servers:
    """Servers of one error format.

    Attributes:
        form: `nested` or `flat`.
        usual: serves an embedder and a classifier; bodies of at most 20,000 bytes.
        open: trusts templates and loads adapters; its model takes none.
        plain: its model fails for some tokens.
        guarded: needs a key.
        hasty: gives each request 0.3 seconds.
    """

    form: str
    usual: Any
    open: Any
    plain: Any
    guarded: Any
    hasty: Any

    def error(self, answer: httpx.Response) -> dict[str, Any]:
        """Return an error, its body checked."""
        body = answer.json()
        if self.form == "nested":
            assert set(body) == ({"error", "detail"} if answer.status_code == 401 else {"error"})
            error = body["error"]
        else:
            assert body["object"] == "error"
            error = {key: value for key, value in body.items() if key != "object"}
        assert set(error) == KEYS
        assert error["code"] == answer.status_code
        assert isinstance(error["message"], str)
        assert error["message"]
        assert answer.headers["x-request-id"]
        found: dict[str, Any] = error
        return found

    def check(self, answer: httpx.Response, status: int, kind: str, param: str | None) -> dict[str, Any]:
        """Compare an error with its row."""
        error = self.error(answer)
        assert (answer.status_code, error["type"], error["param"]) == (status, kind, param), error
        return error


@pytest.fixture(scope="module")
def failing(plain_model: Any, plain_engine: Any) -> Iterator[AsyncLLM]:
    """An engine whose model gives NaN or raises for some token ids; at most one prompt may wait."""
    engine: AsyncLLM = plain_engine(plain_model.PlainModel(), max_num_queued_reqs=1)
    yield engine
    asyncio.run(engine.shutdown())


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AsyncLLM]:
    engine = AsyncLLM(str(build_checkpoint("bert_classifier", tmp_path_factory.mktemp("labels"))))
    yield engine
    asyncio.run(engine.shutdown())


@pytest.fixture(scope="module", params=["nested", "flat"])
def servers(
    request: pytest.FixtureRequest, start_server: Any, engine: AsyncLLM, labels: AsyncLLM, failing: AsyncLLM
) -> Iterator[Servers]:
    both = {"vectors": engine, "labels": labels}
    options: dict[str, dict[str, Any]] = {
        "usual": {"engine": both, "max_body_bytes": 20_000},
        "open": {"trust_request_chat_template": True, "enable_runtime_lora_updating": True},
        "plain": {"engine": failing, "names": ("plain",)},
        "guarded": {"api_keys": ("secret",)},
        "hasty": {"request_timeout": 0.3},
    }
    with ExitStack() as stack:
        started = {
            name: stack.enter_context(start_server(error_format=request.param, **each))
            for name, each in options.items()
        }
        yield Servers(request.param, **started)


LONG = "word " * 3000
#: Path, body, status, `type`, `param`; to the usual server.
ROWS: list[tuple[str, dict[str, Any], int, str, str | None]] = [
    (EMBED, {}, 400, "Bad Request", "body.EmbeddingRequest.input"),
    (EMBED, {"input": 5}, 400, "Bad Request", "body.EmbeddingRequest.input"),
    (POOL, {"input": [1.5]}, 400, "Bad Request", "body.PoolingRequest.input"),
    (CLASSIFY, {"input": "a", "priority": "high"}, 400, "Bad Request", "body.ClassificationRequest.priority"),
    (EMBED, {"input": "a", "dimensions": 5}, 400, "BadRequestError", "dimensions"),
    (EMBED, {"input": "a", "normalize": True}, 400, "BadRequestError", "normalize"),
    (POOL, {"input": "a", "task": "encode"}, 400, "BadRequestError", "task"),
    (POOL, {"input": "a", "task": "classify", "model": "vectors"}, 400, "BadRequestError", "task"),
    (POOL, {"input": "a", "dimensions": 64}, 400, "BadRequestError", "dimensions"),
    (POOL, {"messages": CHAT, "chat_template": "a"}, 400, "BadRequestError", "chat_template"),
    (EMBED, {"input": "a", "mm_processor_kwargs": {"a": 1}}, 400, "BadRequestError", "mm_processor_kwargs"),
    (EMBED, {"input": "a", "cache_salt": "a/b"}, 400, "BadRequestError", "cache_salt"),
    (EMBED, {"input": "a", "truncate_prompt_tokens": 257}, 400, "BadRequestError", "truncate_prompt_tokens"),
    (EMBED, {"input": LONG}, 400, "BadRequestError", "input_tokens"),
    (POOL, {"input": LONG}, 400, "BadRequestError", "input_tokens"),
    (CLASSIFY, {"input": LONG, "model": "labels"}, 400, "BadRequestError", "input_tokens"),
    ("/score", {"queries": "a", "documents": LONG}, 400, "BadRequestError", "input_tokens"),
    ("/rerank", {"query": "a", "documents": [LONG]}, 400, "BadRequestError", "input_tokens"),
    ("/score", {"queries": ["a"] * 2, "documents": ["b"] * 3}, 400, "BadRequestError", "queries"),
    (POOL, {"messages": [{"role": "user", "content": [{"type": "smell"}]}]}, 400, "BadRequestError", "messages"),
    (POOL, {"messages": CHAT}, 400, "BadRequestError", "messages"),
    (EMBED, {"input": [[]]}, 400, "BadRequestError", "input"),
    (EMBED, {"input": [10**9]}, 400, "BadRequestError", "input"),
    (POOL, {}, 400, "BadRequestError", "input"),
    (POOL, {"data": 1}, 400, "BadRequestError", "data"),
    (POOL, {"data": 1, "input": "a"}, 400, "BadRequestError", "data"),
    (POOL, {"data": 1, "task": "embed"}, 400, "BadRequestError", "task"),
    (POOL, {"data": 1, "io_processor": 1}, 400, "Bad Request", "body.ProcessedRequest.io_processor"),
    (POOL, {"data": 1, "io_processor": "a"}, 400, "BadRequestError", "data"),
    *((path, {**body, "model": "none"}, 404, "NotFoundError", None) for path, body in (
        (EMBED, {"input": "a"}),
        (POOL, {"input": "a"}),
        (CLASSIFY, {"input": "a"}),
        ("/score", {"queries": "a", "documents": "b"}),
        ("/v1/score", {"queries": "a", "documents": "b"}),
        ("/rerank", {"query": "a", "documents": ["b"]}),
        ("/v1/rerank", {"query": "a", "documents": ["b"]}),
        ("/v2/rerank", {"query": "a", "documents": ["b"]}),
    )),
    ("/tokenize", {"prompt": "a", "model": "none"}, 404, "NotFoundError", "model"),
    ("/detokenize", {"tokens": [1], "model": "none"}, 404, "NotFoundError", "model"),
    *((path, {"input": "a", "lora": "none"}, 404, "NotFoundError", None) for path in (EMBED, POOL)),
    (CLASSIFY, {"input": "a", "model": "labels", "lora": "none"}, 404, "NotFoundError", None),
    (EMBED, {"input": "a", "model": "labels"}, 501, "NotImplementedError", None),
    (CLASSIFY, {"input": "a", "model": "vectors"}, 501, "NotImplementedError", None),
    ("/score", {"queries": "a", "documents": "b", "model": "labels"}, 501, "NotImplementedError", None),
    (EMBED, {"input": "x" * 30_000}, 413, "Payload Too Large", None),
    ("/v1/nothing", {}, 404, "Not Found", None),
    (EMBED + "/", {"input": "a"}, 404, "Not Found", None),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} {row[2]} {row[4]} {str(row[1])[:40]}")
def test_a_wrong_request_has_the_status_body_type_and_param_of_its_row(servers: Servers, row: Any) -> None:
    path, body, status, kind, param = row
    servers.check(httpx.post(servers.usual.url + path, json=body, timeout=60), status, kind, param)


@pytest.mark.parametrize("path", [EMBED, POOL, CLASSIFY, "/score", "/rerank", "/tokenize"])
def test_what_is_no_json_is_400_and_so_is_every_other_content_type(servers: Servers, path: str) -> None:
    url = servers.usual.url + path
    servers.check(httpx.post(url, content=b"{", headers=JSON), 400, "Bad Request", "body")
    servers.check(httpx.post(url, content=b"[]", headers=JSON), 400, "Bad Request", "body")
    for headers in ({}, {"Content-Type": "text/plain"}):
        error = servers.check(httpx.post(url, content=b"{}", headers=headers), 400, "Bad Request", None)
        assert "application/json" in error["message"]


def test_a_template_that_fails_is_400_with_its_reason(servers: Servers) -> None:
    body = {"messages": CHAT, "chat_template": "{{ raise_exception('only the weather') }}"}
    error = servers.check(httpx.post(servers.open.url + POOL, json=body), 400, "BadRequestError", None)
    assert "only the weather" in error["message"]


def test_an_adapter_for_a_model_without_any_is_400(servers: Servers) -> None:
    body = {"lora_name": "a", "lora_path": "."}
    answer = httpx.post(servers.open.url + "/v1/load_lora_adapter", json=body)
    servers.check(answer, 400, "BadRequestError", "lora_request")


def test_a_wrong_verb_is_405_and_names_the_right_one(servers: Servers) -> None:
    answer = httpx.get(servers.usual.url + EMBED)
    servers.check(answer, 405, "Method Not Allowed", None)
    assert answer.headers["allow"] == "POST"


def test_a_missing_or_wrong_key_is_401(servers: Servers) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "secret"}):
        answer = httpx.post(servers.guarded.url + EMBED, json={"input": "a"}, headers=headers)
        servers.check(answer, 401, "Unauthorized", None)
        assert answer.headers["www-authenticate"] == "Bearer"


def test_a_result_that_is_not_finite_is_500_with_its_own_type(servers: Servers, plain_model: Any) -> None:
    answer = httpx.post(servers.plain.url + EMBED, json={"input": [1, plain_model.NAN]})
    servers.check(answer, 500, "NonFiniteResultError", None)


def test_a_model_that_fails_is_500_and_its_own_words_stay_in_the_log(servers: Servers, plain_model: Any) -> None:
    answer = httpx.post(servers.plain.url + EMBED, json={"input": [1, plain_model.CRASH]})
    error = servers.check(answer, 500, "InternalServerError", None)
    assert "crash" not in error["message"]
    assert httpx.post(servers.plain.url + EMBED, json={"input": [1]}).status_code == 200


class Raises(IOProcessor[Any, Any]):
    """Raises what `data` names, and answers with what JSON cannot hold otherwise."""

    def parse_data(self, data: Any) -> Any:
        kinds = {"value": ValueError, "none": NotImplementedError, "other": RuntimeError}
        if data in kinds:
            raise kinds[data]("the cause")
        return data

    def pre_process(self, prompt: Any, context: RequestContext) -> Any:
        return []

    def post_process(self, outputs: Any, context: RequestContext) -> Any:
        return float("nan")


def test_what_an_io_processor_raises_is_400_501_or_500_and_names_it(servers: Servers, failing: AsyncLLM) -> None:
    if not failing.io_processors:
        undo = default_registry().register("cenote.io_processors", "raises", Raises, distribution="acme")
        failing.add_processor("raises")
        undo()
    rows = {
        "value": (400, "BadRequestError", "data"),
        "none": (501, "NotImplementedError", None),
        "other": (500, "InternalServerError", None),
        "nan": (500, "InternalServerError", None),
    }
    for data, row in rows.items():
        error = servers.check(httpx.post(servers.plain.url + POOL, json={"data": data}), *row)
        assert error["message"].startswith("IO processor 'raises' of acme ")
        assert ("the cause" in error["message"]) == (data == "value")


def test_a_full_queue_is_429_and_says_when_to_come_back(servers: Servers, failing: AsyncLLM, until: Any) -> None:
    url = servers.plain.url + EMBED
    with concurrent.futures.ThreadPoolExecutor() as pool:
        failing.pause()
        try:
            waiting = pool.submit(httpx.post, url, json={"input": [1]})
            until(lambda: failing.stats().waiting == 1)
            answer = httpx.post(url, json={"input": [2]})
            servers.check(answer, 429, "TooManyRequestsError", None)
            assert int(answer.headers["retry-after"]) >= 1
        finally:
            failing.resume()
        assert waiting.result().status_code == 200
    assert httpx.post(url, json={"input": [[1], [2]]}).status_code == 200  # enters the queue bit by bit


def test_a_server_that_drains_is_503_and_says_when_to_come_back(servers: Servers, start_server: Any) -> None:
    with start_server(error_format=servers.form) as running:
        running.state.in_flight += 1  # or it would stop at once
        running.state.draining = True
        answer = httpx.post(running.url + EMBED, json={"input": "a"})
        running.state.in_flight -= 1
    servers.check(answer, 503, "ServiceUnavailableError", None)
    assert int(answer.headers["retry-after"]) >= 1


def test_an_engine_that_was_shut_down_is_503(
    servers: Servers, start_server: Any, plain_model: Any, plain_engine: Any
) -> None:
    engine = plain_engine(plain_model.PlainModel())
    with start_server(engine=engine, error_format=servers.form) as running:
        asyncio.run(engine.shutdown())
        answer = httpx.post(running.url + EMBED, json={"input": [1]})
        servers.check(answer, 503, "ServiceUnavailableError", None)


def test_a_result_that_takes_too_long_is_504(servers: Servers, paused: AsyncLLM) -> None:
    answer = httpx.post(servers.hasty.url + EMBED, json={"input": "a"})
    servers.check(answer, 504, "GatewayTimeoutError", None)


def test_a_body_that_does_not_arrive_is_408(servers: Servers) -> None:
    head = b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
    with socket.create_connection(("127.0.0.1", servers.hasty.port), timeout=30) as connection:
        connection.sendall(head)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    first, _, rest = received.partition(b"\r\n")
    assert first == b"HTTP/1.1 408 Request Timeout"
    lines, _, body = rest.partition(b"\r\n\r\n")
    headers = [tuple(line.split(b": ", 1)) for line in lines.split(b"\r\n")]
    servers.check(httpx.Response(408, headers=headers, content=body), 408, "Request Timeout", None)


def test_faults_are_named_in_the_contracts_order(servers: Servers) -> None:
    """Each body has all later faults as well."""
    url = servers.usual.url + POOL
    body: dict[str, Any] = {
        "input": LONG,
        "task": "encode",
        "mm_processor_kwargs": {"a": 1},
        "model": "none",
        "truncate_prompt_tokens": 10_000,
        "chat_template": "a",
    }
    servers.check(httpx.post(url, json={**body, "priority": "high"}), 400, "BadRequestError", "task")
    expected = [
        ("task", 400, "task"),
        ("mm_processor_kwargs", 400, "mm_processor_kwargs"),
        ("model", 404, None),
        ("truncate_prompt_tokens", 400, "truncate_prompt_tokens"),
        ("chat_template", 400, "chat_template"),
        ("input", 400, "input_tokens"),
    ]
    for name, status, param in expected:
        answer = httpx.post(url, json=body)
        assert (answer.status_code, servers.error(answer)["param"]) == (status, param), name
        del body[name]
    assert httpx.post(url, json={**body, "input": "a"}).status_code == 200


def test_the_schema_and_the_task_come_before_what_only_operators_set_and_that_before_the_model(
    servers: Servers,
) -> None:
    url, body = servers.usual.url + POOL, {"input": "a", "mm_processor_kwargs": {"a": 1}, "model": "none"}
    wrong = httpx.post(url, json={**body, "task": "nope", "priority": "high"})
    assert servers.error(wrong)["param"] == "body.PoolingRequest.priority"
    assert servers.error(httpx.post(url, json={**body, "task": "nope"}))["param"] == "task"
    refused = servers.error(httpx.post(url, json=body))
    assert refused["param"] == "mm_processor_kwargs"
    assert "not offered by this server" in refused["message"]
    body = {"messages": [{"role": "user", "content": "a"}], "media_io_kwargs": {"image": {}}, "model": "none"}
    assert servers.error(httpx.post(url, json=body))["param"] == "media_io_kwargs"
    empty = {**body, "media_io_kwargs": {}, "mm_processor_kwargs": None}
    assert httpx.post(url, json=empty).status_code == 404


def test_the_content_type_comes_before_the_json_and_the_model_before_dimensions(servers: Servers) -> None:
    url = servers.usual.url + EMBED
    assert "application/json" in servers.error(httpx.post(url, content=b"{"))["message"]
    assert servers.error(httpx.post(url, json={"model": "none"}))["param"] == "body.EmbeddingRequest.input"
    body = {"model": "none", "input": "a", "truncate_prompt_tokens": 10_000, "dimensions": 5}
    assert httpx.post(url, json=body).status_code == 404
    del body["model"]
    assert servers.error(httpx.post(url, json=body))["param"] == "truncate_prompt_tokens"


def test_the_number_of_inputs_comes_before_the_model_name_and_that_before_dimensions(servers: Servers) -> None:
    url = servers.open.url + EMBED
    body = {"model": "none", "dimensions": 5}
    assert servers.error(httpx.post(url, json={**body, "input": ["x"] * 8193}))["param"] == "input"
    assert httpx.post(url, json={**body, "input": ["x"]}).status_code == 404
